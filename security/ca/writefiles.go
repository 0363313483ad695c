// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"github.com/enmesh-go/enmesh/security"
)

// The names of the files that WriteFiles writes.
const (
	CertFile = "cert.pem"
	KeyFile  = "key.pem"
	CAFile   = "ca.pem"
)

// WriteFiles issues a certificate for id and writes [CAFile], [KeyFile] (mode 0600)
// and [CertFile] into dir, which is made if it is missing (mode 0700). Each file is
// replaced in one step, so a reader sees the old or the new one whole. Between the
// steps key and certificate do not belong together; readers wait, as mtls.Files
// does. The key written is that of the certificate; root keys are never written.
func (d *Development) WriteFiles(dir string, id security.ID) error {
	identity, trusted, err := d.issue(id, d.cfg.Now())
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(identity.Certificate().PrivateKey)
	if err != nil {
		return fmt.Errorf("ca: key of %s: %w", id, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	var roots bytes.Buffer
	for _, c := range trusted.certs {
		roots.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity.Certificate().Certificate[0]})
	for _, f := range []struct {
		name string
		data []byte
		mode os.FileMode
	}{
		{CAFile, roots.Bytes(), 0o644},
		{KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600},
		{CertFile, cert, 0o644},
	} {
		if err := replace(filepath.Join(dir, f.name), f.data, f.mode); err != nil {
			return fmt.Errorf("ca: %w", err)
		}
	}
	return nil
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
