// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/enmesh-go/enmesh/security"
)

// maxFile bounds each file, in bytes.
const maxFile = 1 << 20

// rawFiles is one reading of all files, not yet looked into.
type rawFiles struct {
	cfg           *FilesConfig
	cert, key, ca []byte
	federated     map[string][]byte // by trust domain
}

// readFiles reads every file once.
func readFiles(cfg *FilesConfig) (rawFiles, digest, error) {
	raw := rawFiles{cfg: cfg, federated: make(map[string][]byte, len(cfg.Federated))}
	hash := sha256.New()
	read := func(path string, private bool) ([]byte, error) {
		data, err := readFile(path, private && !cfg.SharedKey)
		if err == nil {
			_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
			_, _ = hash.Write(data)
		}
		return data, err
	}
	var err error
	if raw.cert, err = read(cfg.Cert, false); err != nil {
		return raw, digest{}, err
	}
	if raw.key, err = read(cfg.Key, true); err != nil {
		return raw, digest{}, err
	}
	if raw.ca, err = read(cfg.CA, false); err != nil {
		return raw, digest{}, err
	}
	for _, td := range slices.Sorted(maps.Keys(cfg.Federated)) {
		if raw.federated[td], err = read(cfg.Federated[td], false); err != nil {
			return raw, digest{}, err
		}
	}
	return raw, digest(hash.Sum(nil)), nil
}

// readFile reads a file up to its bound; of a private one it first asks who else
// can read it.
func readFile(path string, private bool) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	if private {
		if err := checkMode(file); err != nil {
			return nil, err
		}
	}
	return readUpTo(file, maxFile)
}

// checkMode refuses a key that others can read. Windows has no such bits.
func checkMode(file *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("mtls: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("mtls: private key %s has mode %#o and can be read by others; "+
			"make it 0600, or set SharedKey", file.Name(), mode)
	}
	return nil
}

// identity makes sense of what was read.
func (r *rawFiles) identity() (*security.Identity, error) {
	pair, err := tls.X509KeyPair(r.cert, r.key)
	if err != nil {
		return nil, fmt.Errorf("mtls: %s and %s: %w", r.cfg.Cert, r.cfg.Key, err)
	}
	own, err := security.CertificateID(pair.Leaf)
	if err != nil {
		return nil, fmt.Errorf("mtls: %s: %w", r.cfg.Cert, err)
	}
	roots := make(map[string][]*x509.Certificate, 1+len(r.federated))
	for td, data := range r.federated {
		if roots[td], err = parseRoots(data); err != nil {
			return nil, fmt.Errorf("mtls: %s: %w", r.cfg.Federated[td], err)
		}
	}
	if roots[own.TrustDomain()], err = parseRoots(r.ca); err != nil {
		return nil, fmt.Errorf("mtls: %s: %w", r.cfg.CA, err)
	}
	id, err := security.NewIdentity(pair, roots)
	if err != nil {
		return nil, fmt.Errorf("mtls: %s: %w", r.cfg.Cert, err)
	}
	return id, nil
}
