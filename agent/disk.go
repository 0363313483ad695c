// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/enmesh-go/enmesh/policy"
)

// maxKept bounds the policy on disk, in bytes.
const maxKept = 128 << 20

// kept is policy as it is on disk.
type kept struct {
	Format int
	Sum    string // of Files
	Files  json.RawMessage
}

// keptFormat is the format of the file; others are not read.
const keptFormat = 1

// keepPolicy writes what a snapshot was made of. Documents may hold what only their reader
// should know, so the file is ours alone.
func keepPolicy(path string, s *policy.Snapshot) error {
	files, err := json.Marshal(s.Files())
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	data, err := json.Marshal(kept{keptFormat, sumOf(files), files})
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if len(data) > maxKept {
		return fmt.Errorf("agent: policy has %d bytes on disk, more than %d", len(data), maxKept)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := replace(path, data, 0o600); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// restorePolicy reads what keepPolicy wrote.
func restorePolicy(path string) ([]policy.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = f.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("agent: %s: %w", path, err)
	}
	if k.Format != keptFormat || k.Sum != sumOf(k.Files) {
		return nil, fmt.Errorf("agent: %s: %w", path, errKept)
	}
	var files []policy.File
	if err := json.Unmarshal(k.Files, &files); err != nil {
		return nil, fmt.Errorf("agent: %s: %w", path, err)
	}
	return files, nil
}

var errKept = errors.New("damaged, or of another version")

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// replace writes a file beside path and renames it over path.
func replace(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if e := tmp.Chmod(mode); err == nil {
		err = e
	}
	if e := tmp.Sync(); err == nil {
		err = e
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the first error is the one to tell
	}
	return err
}
