// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"errors"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/jwt"
)

func TestAuthenticator_knowsWhoCalls(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	for range 2 { // the second time from the cache
		s, err := call(a, bearer(token(object{"azp": "web", "scope": "read write"})))
		if err != nil || !s.ran {
			t.Fatal(s.ran, err)
		}
		if got := s.auth; got.Principal() != issuer+"/alice" || got.Presenter != "web" || len(got.Audiences) != 1 || got.Audiences[0] != "shop" || got.Expiry.IsZero() {
			t.Errorf("got %+v", got)
		}
		if got, _ := s.auth.Claims["scope"].([]any); len(got) != 2 || got[1] != "write" {
			t.Errorf("scope is %v, want a list of two", s.auth.Claims["scope"])
		}
		if got := s.header.Get("Authorization"); got != "" {
			t.Error("the handler sees the token")
		}
	}
	s, err := call(a, func(*enmesh.Call) {})
	if err != nil || !s.ran || s.auth != nil {
		t.Errorf("without a token: ran %v, %v, %v", s.ran, s.auth, err)
	}
	s, err = call(a, bearer("x"))
	if !errors.Is(err, jwt.ErrInvalid) || enmesh.CodeOf(err) != enmesh.Unauthenticated || s.ran || s.answer.Get("WWW-Authenticate") == "" {
		t.Errorf("with no token's text: ran %v, %v", s.ran, err)
	}
}
