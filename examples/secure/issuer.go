// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuerName is the claim iss of the tokens.
const issuerName = "https://people.example"

// issuer gives out tokens, and its public keys to whoever asks.
type issuer struct {
	signer jose.Signer
	keys   []byte // a set, as JSON
	addr   string
}

// newIssuer serves the keys at a free loopback port.
func newIssuer(ctx context.Context, ends *cleanups) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	const id = "2026-01"
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &issuer{signer: signer, keys: keys, addr: l.Addr().String()}
	server := &http.Server{Handler: i, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // until it is closed
	}()
	ends.add(func() error {
		err := server.Close()
		<-done
		return err
	})
	return i, nil
}

// ServeHTTP answers with the public keys.
func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(i.keys) // who asks may be gone
}

// token is for a person with roles, good for so long.
func (i *issuer) token(person string, life time.Duration, roles ...string) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": issuerName, "sub": person, "aud": "orders", "roles": roles,
		"iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(life).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := i.signer.Sign(claims)
	if err != nil {
		return "", errors.Join(errors.New("signing a token"), err)
	}
	return signed.CompactSerialize()
}
