// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Kept is a [Source] that writes down what another one tells, for a process that starts
// while that is out of reach. It is made with [Keep].
type Kept struct {
	source Source
	path   string
	report func(error)
}

// keptPatience is how long a source is waited for before what was written down is told.
const keptPatience = 200 * time.Millisecond

// Keep is source with what it told last kept in a file, whose directory is made when it is
// missing. The file holds policy, and is for its owner only. What is in it is told when
// source fails before it has told anything, or has not told anything within 200 ms; then
// source has the word as always. report hears of a file that cannot be read or written,
// which changes nothing else; nil: nobody does.
func Keep(source Source, path string, report func(error)) *Kept {
	if report == nil {
		report = func(error) {}
	}
	return &Kept{source, path, report}
}

// Watch implements [Source].
func (k *Kept) Watch(ctx context.Context, tell func(files map[string][]byte, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex // guards told, and orders what is told
	told := false
	fromDisk := func() { // mu is held
		if told || ctx.Err() != nil {
			return
		}
		files, err := readKept(k.path)
		switch {
		case err == nil:
			told = true
			tell(files, nil)
		case !errors.Is(err, os.ErrNotExist):
			k.report(err)
		}
	}
	var late sync.WaitGroup
	late.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(keptPatience):
			mu.Lock()
			defer mu.Unlock()
			fromDisk()
		}
	})
	defer late.Wait()
	defer cancel()
	return k.source.Watch(ctx, func(files map[string][]byte, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			fromDisk()
			tell(nil, err)
			return
		}
		told = true
		tell(files, nil)
		if err := writeKept(k.path, files); err != nil {
			k.report(err)
		}
	})
}

// keptFile is a file of Kept.
type keptFile struct {
	Format int
	Sum    string // of Files as they stand there
	Files  json.RawMessage
}

// keptFormat is the format that is written; no other is read.
const keptFormat = 1

// maxKept bounds the file: what a source may give, in base64, and some.
const maxKept = 2 * maxSourceBytes

func readKept(path string) (map[string][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxKept))
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	var k keptFile
	var files map[string][]byte
	if err := json.Unmarshal(data, &k); err != nil || k.Format != keptFormat || k.Sum != sumOf(k.Files) || json.Unmarshal(k.Files, &files) != nil {
		return nil, fmt.Errorf("policy: %s is damaged, or of another version: it is not used", path)
	}
	return files, nil
}

func writeKept(path string, files map[string][]byte) error {
	text, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	data, err := json.Marshal(keptFile{keptFormat, sumOf(text), text})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = replaceFile(path, data)
	}
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

// replaceFile writes a file beside path and renames it, so that nobody sees half of it.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".kept-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
	}
	return err
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
