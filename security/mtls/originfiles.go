// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
)

// originFiles is one reading of an Originator's files.
type originFiles struct{ cert, key, ca []byte }

func (o *Originator) read() (originFiles, digest, error) {
	var raw originFiles
	hash := sha256.New()
	for _, f := range []struct {
		name    string
		private bool
		to      *[]byte
	}{
		{o.cfg.CertFile, false, &raw.cert},
		{o.cfg.KeyFile, true, &raw.key},
		{o.cfg.CAFile, false, &raw.ca},
	} {
		if f.name == "" {
			continue
		}
		data, err := readFile(f.name, f.private && !o.cfg.SharedKey)
		if err != nil {
			return raw, digest{}, err
		}
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
		_, _ = hash.Write(data)
		*f.to = data
	}
	return raw, digest(hash.Sum(nil)), nil
}

// take puts what was read in force if it is good.
func (o *Originator) take(raw originFiles) error {
	var now originals
	if o.cfg.CAFile != "" {
		roots, err := parseRoots(raw.ca)
		if err != nil {
			return fmt.Errorf("mtls: %s: %w", o.cfg.CAFile, err)
		}
		now.roots = x509.NewCertPool()
		for _, c := range roots {
			now.roots.AddCert(c)
		}
	}
	if o.cfg.Mode == Mutual {
		pair, err := tls.X509KeyPair(raw.cert, raw.key)
		if err != nil {
			return fmt.Errorf("mtls: %s and %s: %w", o.cfg.CertFile, o.cfg.KeyFile, err)
		}
		if end := pair.Leaf.NotAfter; o.cfg.Now().After(end) {
			return fmt.Errorf("mtls: %s: the certificate ended at %s", o.cfg.CertFile, end.UTC().Format("2006-01-02T15:04:05Z"))
		}
		now.cert = &pair
	}
	o.last.Store(&now)
	return nil
}
