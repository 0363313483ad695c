// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/enmesh-go/enmesh"
)

// fuzzKey is the key of the fuzzed issuer, the same in each run.
var fuzzKey = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, no more"[:ed25519.SeedSize]))

// fuzzNow is the clock of the fuzzed issuer.
var fuzzNow = time.Unix(1_700_000_000, 0)

const (
	fuzzHeader = `{"alg":"EdDSA","kid":"k"}`
	fuzzClaims = `{"iss":"i","sub":"s","aud":["a"],"exp":1700000100,"nbf":1699999999.5,"scope":"x y"}`
)

func fuzzSign(header, claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(fuzzKey, []byte(input)))
}

func fuzzAuthenticator(f *testing.F) *Authenticator {
	f.Helper()
	public := base64.RawURLEncoding.EncodeToString(fuzzKey.Public().(ed25519.PublicKey))
	a, err := New(Config{
		Now: func() time.Time { return fuzzNow },
		Rules: []Rule{{
			Issuer: "i", Audiences: []string{"a"}, OutputPayload: "x-payload", OutputClaims: []ClaimHeader{{"x-sub", "sub"}},
			JWKS: `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + public + `"}]}`,
		}},
	})
	if err != nil {
		f.Fatal(err)
	}
	return a
}

func (a *Authenticator) fuzzVerify(raw string) (*verified, *enmesh.Error) {
	return a.verify(context.Background(), &enmesh.Call{Clock: enmesh.Now()}, a.rules, raw)
}

// FuzzToken reads tokens. What is read must be what go-jose reads, and none is
// accepted but the good one.
func FuzzToken(f *testing.F) {
	good := fuzzSign(fuzzHeader, fuzzClaims)
	f.Add(good)
	f.Add(good + ".")
	f.Add(strings.Repeat(".", 100))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	a := fuzzAuthenticator(f)
	if _, e := a.fuzzVerify(good); e != nil {
		f.Fatal(e)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if _, e := a.fuzzVerify(raw); e == nil && raw != good {
			t.Fatalf("accepted %q", raw)
		}
		tok, e := readToken(raw)
		if e != nil {
			return
		}
		signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(tok.algorithm)})
		if err != nil {
			return // go-jose is stricter: nothing is accepted without it
		}
		payload, err := base64.RawURLEncoding.DecodeString(tok.payload)
		if err != nil || !bytes.Equal(payload, signed.UnsafePayloadWithoutVerification()) {
			t.Fatalf("claims %q, go-jose reads %q", payload, signed.UnsafePayloadWithoutVerification())
		}
		if got := signed.Signatures[0].Header; got.KeyID != tok.keyID || got.Algorithm != tok.algorithm {
			t.Fatalf("header %+v, go-jose reads %+v", tok, got)
		}
	})
}

// FuzzClaims signs whatever header and claims: what is accepted must be so by the plain
// reading of encoding/json, too.
func FuzzClaims(f *testing.F) {
	f.Add(fuzzHeader, fuzzClaims)
	f.Add(`{"alg":"EdDSA"}`, `{"iss":"i","aud":"a","exp":1.7000001e9}`)
	f.Add(`{"alg":"EdDSA","crit":["x"],"x":1}`, `{"iss":"i","iss":"j","aud":"a","exp":1700000100}`)
	f.Add(`{"\u0061lg":"EdDSA","typ":"application/JWT"}`, `{"iss":"i","aud":"a","exp":1e400}`)
	a := fuzzAuthenticator(f)
	f.Fuzz(func(t *testing.T, header, claims string) {
		v, e := a.fuzzVerify(fuzzSign(header, claims))
		if e != nil {
			return
		}
		h, c := map[string]any{}, map[string]any{}
		if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(claims), &c) != nil {
			t.Fatalf("accepted %q and %q, which are not JSON", header, claims)
		}
		if kid, named := h["kid"]; h["alg"] != "EdDSA" || named && kid != "k" || h["crit"] != nil || h["jwk"] != nil {
			t.Fatalf("accepted header %q", header)
		}
		sub, _ := c["sub"].(string)
		list, _ := c["aud"].([]any)
		if c["iss"] != "i" || v.auth.Issuer != "i" || sub == "" || v.auth.Subject != sub || c["aud"] != "a" && !slices.Contains(list, any("a")) {
			t.Fatalf("accepted claims %q as %+v", claims, v.auth)
		}
		if exp, ok := c["exp"].(float64); !ok || exp <= float64(fuzzNow.Add(-DefaultLeeway).Unix()) {
			t.Fatalf("accepted exp %v", c["exp"])
		}
		if !v.auth.Expiry.Add(DefaultLeeway).After(fuzzNow) || v.life.from.After(fuzzNow.Add(DefaultLeeway)) {
			t.Fatalf("accepted a life of %+v", v.life)
		}
		for _, o := range v.out {
			if hasControl(o.value) {
				t.Fatalf("header %s is %q", o.name, o.value)
			}
		}
	})
}

// FuzzKeySet reads key sets. Every key that is read must be one that can be used,
// and none may be private.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed25519","x":"AAAA"},null,1,[]]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","use":"sig","key_ops":["verify"],"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, skipped, err := parseKeySet(data)
		if err != nil {
			if keys != nil || skipped != 0 {
				t.Fatal("keys and an error")
			}
			return
		}
		if len(keys)+skipped > maxKeys {
			t.Fatalf("%d keys", len(keys)+skipped)
		}
		tok := &token{raw: fuzzSign(fuzzHeader, fuzzClaims)}
		for alg := range algorithms {
			tok.algorithm = alg
			(&ring{keys}).verdict(tok)
		}
		for _, k := range keys {
			text, err := jose.JSONWebKey{Key: k.public, KeyID: k.id, Algorithm: k.algorithm}.MarshalJSON()
			if err != nil || !(&jose.JSONWebKey{Key: k.public}).IsPublic() {
				t.Fatalf("key %+v: %v", k, err)
			}
			again, _, err := parseKeySet([]byte(`{"keys":[` + string(text) + `]}`))
			if err != nil || len(again) != 1 || !reflect.DeepEqual(again[0], k) {
				t.Fatalf("%s is read as %+v, %v; want %+v", text, again, err, k)
			}
		}
	})
}
