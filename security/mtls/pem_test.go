// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"encoding/pem"
	"testing"

	"github.com/enmesh-go/enmesh/security/ca"
)

func FuzzParseRoots(f *testing.F) {
	d, err := ca.NewDevelopment("td", ca.Config{})
	if err != nil {
		f.Fatal(err)
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Roots()[0].Raw})
	f.Add(root)
	f.Add(append(root, root...))
	f.Add(root[:len(root)-10])
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := parseRoots(data)
		if (err == nil) != (len(certs) > 0) {
			t.Fatalf("%d certificates with the error %v", len(certs), err)
		}
	})
}
