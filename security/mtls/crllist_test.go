// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// FuzzParseLists reads revocation lists that somebody has put into a file.
func FuzzParseLists(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "fuzz"}, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: time.Now()}},
	}, issuer, key)
	if err != nil {
		f.Fatal(err)
	}
	armoured := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	f.Add(der)
	f.Add(armoured)
	f.Add(append(armoured, armoured...))
	f.Add(der[:len(der)-10])
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := parseLists(data)
		if err != nil && lists != nil {
			t.Fatalf("%d lists with the error %v", len(lists), err)
		}
		for _, l := range lists {
			if l.signed.NextUpdate.IsZero() || len(l.signed.RawIssuer) == 0 {
				t.Fatal("a list without an end or an issuer was accepted")
			}
			if err := l.usable(issuer, l.signed.ThisUpdate); err == nil {
				t.Fatal("a list counts for an issuer that did not sign it")
			}
		}
	})
}
