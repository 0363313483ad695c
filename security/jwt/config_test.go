// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security/jwt"
)

func TestNew_refusesNonsense(t *testing.T) {
	for want, change := range map[string]func(*jwt.Config, *jwt.Rule){
		"Leeway 1h0m0s is above 5m":                              func(c *jwt.Config, _ *jwt.Rule) { c.Leeway = time.Hour },
		"StreamCheck 1ms is not within":                          func(c *jwt.Config, _ *jwt.Rule) { c.StreamCheck = time.Millisecond },
		"CacheSize 2000000 is above":                             func(c *jwt.Config, _ *jwt.Rule) { c.CacheSize = 2_000_000 },
		"Refresh 1s is not within 10s to 12h":                    func(c *jwt.Config, _ *jwt.Rule) { c.Refresh = time.Second },
		"ra.yaml:7: Rules[0] (test): an empty Issuer":            func(_ *jwt.Config, r *jwt.Rule) { r.Issuer = "" },
		"an empty one in Audiences":                              func(_ *jwt.Config, r *jwt.Rule) { r.Audiences = []string{"a", ""} },
		"a Timeout of 1h0m0s, not within 10ms to 1m":             func(_ *jwt.Config, r *jwt.Rule) { r.Timeout = time.Hour },
		`algorithm "HS256" is not one of`:                        func(_ *jwt.Config, r *jwt.Rule) { r.Algorithms = []string{"HS256"} },
		`algorithm "none" is not one of`:                         func(_ *jwt.Config, r *jwt.Rule) { r.Algorithms = []string{"none"} },
		"neither JWKS nor JWKSURI is given":                      func(_ *jwt.Config, r *jwt.Rule) { r.JWKS = "" },
		"JWKS and JWKSURI are both given":                        func(_ *jwt.Config, r *jwt.Rule) { r.JWKSURI = "https://a/b" },
		"JWKSURI is not https":                                   func(_ *jwt.Config, r *jwt.Rule) { r.JWKS, r.JWKSURI = "", "http://issuer.example/jwks" },
		"JWKSURI is not a URL with a host":                       func(_ *jwt.Config, r *jwt.Rule) { r.JWKS, r.JWKSURI = "", "jwks.json" },
		"JWKSURI has a user or a password in it":                 func(_ *jwt.Config, r *jwt.Rule) { r.JWKS, r.JWKSURI = "", "https://u:p@a/b" },
		"JWKSURI has a fragment":                                 func(_ *jwt.Config, r *jwt.Rule) { r.JWKS, r.JWKSURI = "", "https://a/b#c" },
		"JWKS is a key set that is not a JSON object":            func(_ *jwt.Config, r *jwt.Rule) { r.JWKS = "{" },
		"JWKS has no public key for signatures; 0 were left out": func(_ *jwt.Config, r *jwt.Rule) { r.JWKS = `{"keys":[]}` },
		"JWKS has no public key for signatures; 1 were left out": func(_ *jwt.Config, r *jwt.Rule) { r.JWKS = `{"keys":[{"kty":"oct","k":"AAAA"}]}` },
		`FromHeaders: "a b" is not the name of a header`:         func(_ *jwt.Config, r *jwt.Rule) { r.FromHeaders = []jwt.HeaderPlace{{Name: "a b"}} },
		"FromParams has an empty one":                            func(_ *jwt.Config, r *jwt.Rule) { r.FromParams = []string{""} },
		`FromCookies: "a;b" is not the name of a cookie`:         func(_ *jwt.Config, r *jwt.Rule) { r.FromCookies = []string{"a;b"} },
		`OutputPayload ":path" is not the name of a header`:      func(_ *jwt.Config, r *jwt.Rule) { r.OutputPayload = ":path" },
		`OutputPayload "host" is not for a token to write`:       func(_ *jwt.Config, r *jwt.Rule) { r.OutputPayload = "host" },
		`OutputClaims: Header "" is not the name of a header`:    func(_ *jwt.Config, r *jwt.Rule) { r.OutputClaims = []jwt.ClaimHeader{{}} },
		"OutputClaims: the Claim for X-A is empty":               func(_ *jwt.Config, r *jwt.Rule) { r.OutputClaims = []jwt.ClaimHeader{{Header: "x-a"}} },
		"OutputClaims: Header X-A is given twice":                func(_ *jwt.Config, r *jwt.Rule) { r.OutputClaims = []jwt.ClaimHeader{{"x-a", "a"}, {"X-A", "b"}} },
		"jwt: header X-T is both read and written": func(_ *jwt.Config, r *jwt.Rule) {
			r.FromHeaders, r.OutputPayload = []jwt.HeaderPlace{{Name: "x-t"}}, "X-T"
		},
		`OutputClaims: Header "Authorization" is not for a token to w`: func(_ *jwt.Config, r *jwt.Rule) { r.OutputClaims = []jwt.ClaimHeader{{"Authorization", "a"}} },
	} {
		r := plain()
		r.Origin = "ra.yaml:7"
		cfg := jwt.Config{Log: quiet}
		change(&cfg, &r)
		cfg.Rules = []jwt.Rule{r}
		a, err := jwt.New(cfg)
		if err == nil {
			_ = a.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "jwt: ") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := jwt.New(jwt.Config{}); err == nil || err.Error() != "jwt: Rules is empty" {
		t.Errorf("got %v", err)
	}
}

func TestNew_takesLoopback(t *testing.T) {
	for _, uri := range []string{"http://127.0.0.1:1/jwks", "http://[::1]:1/jwks", "http://localhost:1/jwks"} {
		r := plain()
		r.JWKS, r.JWKSURI = "", uri
		newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	}
}
