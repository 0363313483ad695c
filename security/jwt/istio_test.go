// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/security/jwt"
)

// Istio's own tokens are what its documentation says of them. They are in the folder jwt of the
// one that ENMESH_ISTIO_SAMPLES names; the project does not hold them.
func TestIstiosTokens(t *testing.T) {
	dir := os.Getenv("ENMESH_ISTIO_SAMPLES")
	if dir == "" {
		t.Skip("ENMESH_ISTIO_SAMPLES is not set")
	}
	read := func(name string) string {
		return strings.TrimSpace(string(must(os.ReadFile(filepath.Join(dir, "jwt", name)))))
	}
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{
		{Issuer: "testing@secure.istio.io", JWKS: read("jwks-demo.json")},
		{Issuer: "test-issuer-1@istio.io", JWKS: read("jwks-e2e.json")},
		{Issuer: "test-issuer-2@istio.io", JWKS: read("jwks-e2e.json")},
	}})
	var listed map[string]struct{ Token string }
	if err := json.Unmarshal([]byte(read("tokens-e2e.json")), &listed); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"demo": read("demo.jwt"), "groups": read("groups-scope.jwt")}
	for name, one := range listed {
		tokens[name] = one.Token
	}
	for name, raw := range tokens {
		want := "testing@secure.istio.io/testing@secure.istio.io"
		switch {
		case strings.HasPrefix(name, "TokenIssuer1"):
			want = "test-issuer-1@istio.io/sub-1"
		case strings.HasPrefix(name, "TokenIssuer2"):
			want = "test-issuer-2@istio.io/sub-2"
		case strings.HasPrefix(name, "Token"): // of a third issuer, expired, or none
			want = ""
		}
		s, err := call(a, bearer(raw))
		if got := s.auth.Principal(); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
}
