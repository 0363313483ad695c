// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// CVE-2025-30204 (golang-jwt) and CVE-2025-27144 (go-jose) split a token of dots into as many
// strings, sixteen bytes of memory for each.
func TestCVE_2025_30204_aTokenOfDots(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	for _, raw := range []string{
		strings.Repeat(".", 100_000), strings.Repeat(".", 8192), strings.Repeat("a.", 4096), "a.b" + strings.Repeat(".", 8000),
		strings.Repeat(".", 1<<20), strings.Repeat("Bearer ", 1000) + strings.Repeat(".", 1<<16),
	} {
		value := []string{"Bearer " + raw}
		got := allocated(func() {
			if _, err := call(a, func(c *enmesh.Call) { c.Header.(enmeshtest.Header)["Authorization"] = value }); !errors.Is(err, jwt.ErrInvalid) {
				t.Fatal("got", err)
			}
		})
		if got > 1000 {
			t.Errorf("%d dots: %d bytes allocated for each", strings.Count(raw, "."), got)
		}
	}
}

func TestCVE_2025_27144_aTokenOfDotsInTheQuery(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	query := "access_token=" + strings.Repeat(".", 100_000)
	got := allocated(func() {
		if _, err := call(a, func(c *enmesh.Call) { c.Query = query }); err == nil {
			t.Fatal("accepted")
		}
	})
	if got > 4000 { // a call of the kit's is most of it
		t.Errorf("%d bytes allocated for each", got)
	}
}

// allocated is how many bytes a call of f takes beyond those that a call without a token does.
func allocated(f func()) int64 {
	const times = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc-before.TotalAlloc)/times - callCost
}

// callCost is what a call of the kit takes by itself, less than it does.
const callCost = 1500

// CVE-2025-64527: Envoy crashed when the fetch of the keys failed while a call with several tokens
// waited for it.
func TestCVE_2025_64527_keysNotFetched(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"down": down, "hangs": hangs, "status": answers(500, ""), "garbage": answers(200, "\x00\xff"), "panics": func(*http.Request) (*http.Response, error) { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &jwksServer{}
				s.set(answer)
				one, two := remote(), remote()
				one.FromHeaders = []jwt.HeaderPlace{{Name: "x-one"}}
				two.FromHeaders, two.JWKSURI = []jwt.HeaderPlace{{Name: "x-two"}}, "https://issuer.example/other"
				a := newAuth(t, jwt.Config{Rules: []jwt.Rule{one, two}, Client: &http.Client{Transport: s}})
				for range 30 {
					got, err := call(a, set("X-One: "+token(nil), "X-Two: "+token(nil)))
					if !errors.Is(err, jwt.ErrNoKeys) || got.ran {
						t.Fatalf("ran %v, %v", got.ran, err)
					}
					if _, err := call(a, set()); err != nil {
						t.Fatal("without a token:", err)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// Envoy 15167, 15194, 15199: where a token may be missing, one of an unknown issuer passed.
// Envoy 20279: a token without an issuer was not compared with the rule's.
func TestEnvoy_15167_unknownIssuerIsNotMissing(t *testing.T) {
	for _, rules := range [][]jwt.Rule{{plain()}, rulesOf()} {
		a := newAuth(t, jwt.Config{Rules: rules})
		for _, iss := range []any{"https://nobody.example", "", nil, issuer + "/", strings.ToUpper(issuer), []string{issuer}, object{}, 7, false} {
			for _, s := range []*signer{p256(), p384()} {
				alg := map[*signer]string{p256(): "ES256", p384(): "ES384"}[s]
				got, err := call(a, bearer(s.sign(alg, nil, claims(object{"iss": iss}))))
				if !errors.Is(err, jwt.ErrInvalid) || got.ran {
					t.Errorf("iss %v: ran %v, %v", iss, got.ran, err)
				}
			}
		}
	}
}

func TestEnvoy_20279_emptyIssuer(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	for _, iss := range []any{"", nil} {
		if got, err := call(a, bearer(token(object{"iss": iss}))); !errors.Is(err, jwt.ErrIssuer) || got.ran {
			t.Errorf("iss %v: ran %v, %v", iss, got.ran, err)
		}
	}
	r := plain()
	r.Issuer = ""
	if _, err := jwt.New(jwt.Config{Rules: []jwt.Rule{r}}); err == nil {
		t.Error("a rule without an issuer is accepted")
	}
}

// CVE-2023-27487: a header of the caller's changed what Envoy's JWT filter checked.
func TestCVE_2023_27487_headersDoNotDecide(t *testing.T) {
	r := plain()
	r.OutputPayload = "x-jwt-payload"
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	tricks := []string{
		"X-Envoy-Original-Path: /healthz", "X-Envoy-Internal: true", "X-Envoy-Original-Method: OPTIONS", "X-HTTP-Method-Override: OPTIONS",
		"X-Original-Url: /", "X-Rewrite-Url: /", "X-Forwarded-Proto: https", "X-Forwarded-Client-Cert: URI=spiffe://a/b", "X-Jwt-Payload: e30",
		"X-Envoy-Auth-Failure-Mode-Allowed: true", "Origin: https://a", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization",
	}
	for name, want := range map[string]bool{token(nil): true, token(object{"exp": 1}): false, "": false} {
		s, err := call(a, set(append(tricks, "Authorization: Bearer "+name)...))
		if (err == nil) != want || s.ran != want {
			t.Errorf("ran %v, %v; want %v", s.ran, err, want)
		}
		if want && (s.header.Get("X-Jwt-Payload") == "e30" || s.auth.Subject != "alice") {
			t.Errorf("the handler sees %v and %v", s.header, s.auth)
		}
	}
}

// GO-2024-2978: grpc-go wrote private tokens to its log. Nothing here says a word of one.
func TestGO_2024_2978_noTokenIsEverWritten(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug - 100}))
	a := newAuth(t, jwt.Config{Rules: rulesOf(), Log: log})
	var said []string
	for _, tt := range samples() {
		s, err := call(a, bearer(tt.raw))
		said = append(said, fmt.Sprint(err), fmt.Sprintf("%+v %#v", err, enmesh.ErrorOf(err)), fmt.Sprintf("%+v", s.answer), fmt.Sprintf("%+v", *a))
		for _, one := range said {
			if strings.Count(tt.raw, ".") == 2 && len(tt.raw) < 8<<10 && leaks(one, tt.raw) {
				t.Fatalf("%s: %.200s", tt.name, one)
			}
		}
		said = said[:0]
	}
	if text.Len() > 0 {
		t.Errorf("the log says %s", text.String())
	}
}
