// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/jwt"
)

const issuer = "https://issuer.example"

// quiet is a log that nobody reads.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// signer is a private key with a name.
type signer struct {
	id      string
	private crypto.Signer
}

// The keys of the tests, made once: RSA keys are dear.
var (
	rsaKey   = sync.OnceValue(func() *signer { return &signer{"rsa", must(rsa.GenerateKey(rand.Reader, 2048))} })
	otherRSA = sync.OnceValue(func() *signer { return &signer{"rsa", must(rsa.GenerateKey(rand.Reader, 2048))} })
	p256     = sync.OnceValue(func() *signer { return &signer{"p256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))} })
	p384     = sync.OnceValue(func() *signer { return &signer{"p384", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))} })
	p521     = sync.OnceValue(func() *signer { return &signer{"p521", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))} })
	edKey    = sync.OnceValue(func() *signer {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return &signer{"ed", must(k, err)}
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// jwks is a key set of the public keys.
func jwks(signers ...*signer) string {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, s := range signers {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.private.Public(), KeyID: s.id, Use: "sig"})
	}
	return string(must(json.Marshal(set)))
}

// allKeys is a set with one key of each kind.
func allKeys() string { return jwks(rsaKey(), p256(), p384(), p521(), edKey()) }

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// object is a JSON object.
type object map[string]any

func (o object) with(more object) object {
	out := maps.Clone(o)
	for k, v := range more {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// claims are those of a token that is valid for an hour.
func claims(more object) object {
	return object{"iss": issuer, "sub": "alice", "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()}.with(more)
}

// sign makes a token of a header and claims, whatever they are.
func (s *signer) sign(alg string, header, claims object) string {
	h := object{"alg": alg, "kid": s.id, "typ": "JWT"}.with(header)
	return s.signText(alg, string(must(json.Marshal(h))), string(must(json.Marshal(claims))))
}

// signText is sign for JSON as it is to be written.
func (s *signer) signText(alg, header, claims string) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	return input + "." + b64(s.signature(alg, input))
}

// signature signs as RFC 7518 says, by the standard library alone.
func (s *signer) signature(alg, input string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512, "DSA": 0}[alg[2:]]
	digest := []byte(input)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch k := s.private.(type) {
	case *rsa.PrivateKey:
		if alg[0] == 'P' {
			return must(rsa.SignPSS(rand.Reader, k, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, k, hash, digest))
	case *ecdsa.PrivateKey:
		r, v, err := ecdsa.Sign(rand.Reader, k, digest)
		if err != nil {
			panic(err)
		}
		size := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, digest)
	}
	panic("no such key")
}

// token is a good one of the issuer's.
func token(more object) string { return p256().sign("ES256", nil, claims(more)) }

// newAuth is an Authenticator for the test's length.
func newAuth(t testing.TB, cfg jwt.Config) *jwt.Authenticator {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet
	}
	a, err := jwt.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// plain is a rule of the issuer's with inline keys.
func plain() jwt.Rule {
	return jwt.Rule{Name: "test", Issuer: issuer, Audiences: []string{"shop"}, JWKS: allKeys()}
}

// seen is what a handler saw of a call.
type seen struct {
	ran    bool
	auth   *enmesh.Auth
	header enmeshtest.Header
	query  string
	answer enmeshtest.Header
}

// call runs a call through the Authenticator.
func call(a *jwt.Authenticator, describe func(*enmesh.Call)) (seen, error) {
	return callIn(context.Background(), a, describe)
}

func callIn(ctx context.Context, a *jwt.Authenticator, describe func(*enmesh.Call)) (seen, error) {
	var s seen
	w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
		s.ran, s.auth, s.query = true, c.Auth(), c.Query
		s.header, _ = c.Header.(enmeshtest.Header)
		return nil
	})
	c := w.Call()
	s.answer = enmeshtest.Header{}
	c.Side, c.Method, c.Path, c.Header = enmesh.Server, "GET", "/", enmeshtest.Header{}
	c.Answer.Header = s.answer
	describe(c)
	err := w.Do(ctx, enmesh.Fixed(false, a.Middleware()))
	if err == nil {
		w.Finish(nil)
	}
	return s, err
}

// bearer is a call with a token in the header Authorization.
func bearer(raw string) func(*enmesh.Call) {
	return func(c *enmesh.Call) { c.Header.Set("Authorization", "Bearer "+raw) }
}
