// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/enmesh-go/enmesh/security"
)

// The names of the files that [OpenKept] keeps.
const (
	RootFile    = "root.pem"
	RootKeyFile = "root-key.pem"
)

// OpenKept is an authority whose root outlives the process: it is read from dir, or made and
// written there if dir has none, [RootFile] and [RootKeyFile] (mode 0600, in a directory of
// mode 0700). Processes with copies of the directory, also on other hosts, believe each
// other's certificates. Whoever can read the key can have any identity.
//
// It is an error when the files are those of another trust domain, do not belong together,
// when the root has ended, or when others than its owner can read the key. A root that is made
// by [Development.RotateRoot] is not kept.
func OpenKept(dir, trustDomain string, cfg Config) (*Development, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if _, err := security.IDFor(trustDomain, "default", "default"); err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	kept, err := readRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if kept, err = newRoot(trustDomain, cfg.Now(), cfg.RootTTL); err == nil {
			err = keepRoot(dir, kept)
		}
	}
	if err == nil {
		err = kept.check(trustDomain, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("ca: root in %s: %w", dir, err)
	}
	d := &Development{trustDomain: trustDomain, cfg: cfg, active: kept}
	d.rebundle()
	return d, nil
}

// readRoot reads a root; fs.ErrNotExist says that there is no key.
func readRoot(dir string) (*root, error) {
	path := filepath.Join(dir, RootKeyFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %v: others than its owner can read or write it", RootKeyFile, info.Mode().Perm())
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, RootFile), path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // the certificate alone is missing: making a new root would hide that
			return nil, fmt.Errorf("%s is there, and %s is missing", RootKeyFile, RootFile)
		}
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T; an ECDSA key is needed", pair.PrivateKey)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	return &root{cert: cert, key: key}, nil
}

// check refuses a root that cannot sign for the domain.
func (r *root) check(trustDomain string, cfg Config) error {
	switch now := cfg.Now(); {
	case len(r.cert.URIs) != 1 || r.cert.URIs[0].Scheme != "spiffe" || r.cert.URIs[0].Host != trustDomain:
		return fmt.Errorf("it is not that of trust domain %q", trustDomain)
	case !r.cert.IsCA:
		return errors.New("it is not the certificate of an authority")
	case !now.Before(r.cert.NotAfter):
		return fmt.Errorf("it ended at %v; remove it, and a new one is made", r.cert.NotAfter)
	}
	return nil
}

// keepRoot writes a root: the certificate first, so that a key has one.
func keepRoot(dir string, r *root) error {
	key, err := x509.MarshalPKCS8PrivateKey(r.key)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = replace(filepath.Join(dir, RootFile), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw}), 0o644)
	}
	if err == nil {
		err = replace(filepath.Join(dir, RootKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
	}
	return err
}
