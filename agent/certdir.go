// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// certDir is a directory whose three files change together, as a volume of Kubernetes does it:
//
//	cert.pem -> ..data/cert.pem
//	..data -> ..2026-11-21T18-54-01.000000001Z-7
//	..2026-11-21T18-54-01.000000001Z-7/cert.pem, key.pem, ca.pem
//
// A reader that reads one file before ..data is renamed and the next after it has halves that do
// not belong together, which gRPC's file_watcher notices: it reads again. The generation before
// stays, for those who resolved the link before.
type certDir struct{ path string }

const (
	linkName     = "..data"
	generationOf = ".." // begins the names of generations
	keptBefore   = 1    // generations beside the present one
)

// write makes an identity what the files have.
func (d *certDir) write(own *security.Identity) error {
	files, err := pemOf(own)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	next, err := os.MkdirTemp(d.path, generationOf+time.Now().UTC().Format("2006-01-02T15-04-05.000000000Z")+"-*") // mode 0700
	if err != nil {
		return err
	}
	for _, f := range files {
		if err = os.WriteFile(filepath.Join(next, f.name), f.data, f.mode); err != nil {
			break
		}
	}
	if err == nil {
		err = d.open(next)
	}
	if err == nil {
		err = d.link(filepath.Base(next), linkName)
	}
	if err != nil {
		_ = os.RemoveAll(next) // the first error is the one to tell
		return err
	}
	for _, f := range files {
		if err := d.link(filepath.Join(linkName, f.name), f.name); err != nil {
			return err
		}
	}
	d.sweep(filepath.Base(next))
	return nil
}

// open gives a generation the mode of the directory: who may enter that may enter this. A group
// that the directory hands on (set-group-ID, as mode 2750) reads the key, too, unless others
// may enter.
func (d *certDir) open(generation string) error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	mode := info.Mode()
	if mode&os.ModeSetgid != 0 && mode&0o040 != 0 && mode&0o007 == 0 {
		if err := os.Chmod(filepath.Join(generation, KeyFile), 0o640); err != nil { //nolint:gosec // as who made the directory says
			return err
		}
	}
	return os.Chmod(generation, mode.Perm())
}

// link makes name a link to target in one step, unless it is.
func (d *certDir) link(target, name string) error {
	path := filepath.Join(d.path, name)
	if now, err := os.Readlink(path); err == nil && now == target {
		return nil
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// sweep removes generations that nobody needs, as far as it can.
func (d *certDir) sweep(present string) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return
	}
	var old []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), generationOf) && e.Name() != present {
			old = append(old, e.Name())
		}
	}
	slices.Sort(old)
	for _, name := range old[:max(0, len(old)-keptBefore)] {
		_ = os.RemoveAll(filepath.Join(d.path, name))
	}
}

// read is the certificate that is in the directory.
func (d *certDir) read() (security.ID, *x509.Certificate, error) {
	data, err := os.ReadFile(filepath.Join(d.path, CertFile))
	if err != nil {
		return security.ID{}, nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return security.ID{}, nil, errors.New("no PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return security.ID{}, nil, err
	}
	id, err := security.CertificateID(leaf)
	return id, leaf, err
}

// pemFile is one of the files.
type pemFile struct {
	name string
	data []byte
	mode os.FileMode
}

// pemOf is an identity as files.
func pemOf(own *security.Identity) ([]pemFile, error) {
	cert := own.Certificate()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("the key of %s: %w", own.ID(), err)
	}
	var chain, roots []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	for _, c := range own.RootCertificates() {
		roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return []pemFile{
		{CAFile, roots, 0o644},
		{KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600},
		{CertFile, chain, 0o644},
	}, nil
}
