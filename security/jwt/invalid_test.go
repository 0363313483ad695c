// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// A6: none of the invalid tokens is accepted, and all of the valid ones are; what is wrong is said
// without a word of the token.
func TestScenarioA6_everyTrick(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: rulesOf()})
	var accepted, refused int
	for _, tt := range samples() {
		s, err := call(a, bearer(tt.raw))
		if tt.valid != (err == nil) || tt.valid != s.ran {
			t.Errorf("%s: ran %v, %v", tt.name, s.ran, err)
			continue
		}
		if err == nil {
			accepted++
			if s.auth.Principal() == "" {
				t.Errorf("%s: no principal", tt.name)
			}
			continue
		}
		refused++
		e := enmesh.ErrorOf(err)
		if !errors.Is(err, jwt.ErrInvalid) || e == nil || e.Status != 401 || e.Code != enmesh.Unauthenticated || e.Outcome != enmesh.Neutral {
			t.Errorf("%s: %v is not a refusal", tt.name, err)
		}
		if len(tt.raw) > 20 && leaks(err.Error(), tt.raw) {
			t.Errorf("%s: %v tells of the token", tt.name, err)
		}
	}
	t.Logf("accepted %d, refused %d", accepted, refused)
}

// leaks reports whether text has eight characters in a row of a token.
func leaks(text, raw string) bool {
	for i := 0; i+8 <= len(raw) && i < 4096; i++ {
		if strings.Contains(text, raw[i:i+8]) {
			return true
		}
	}
	return false
}
