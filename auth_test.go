// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"testing"

	"github.com/enmesh-go/enmesh"
)

func TestAuth_principal(t *testing.T) {
	for name, tt := range map[string]struct {
		auth *enmesh.Auth
		want string
	}{
		"none":       {nil, ""},
		"no subject": {&enmesh.Auth{Issuer: "i"}, ""},
		"no issuer":  {&enmesh.Auth{Subject: "s"}, ""},
		"whole":      {&enmesh.Auth{Issuer: "https://i/x", Subject: "s"}, "https://i/x/s"},
	} {
		if got := tt.auth.Principal(); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestCall_authIsOfTheCall(t *testing.T) {
	var c enmesh.Call
	if c.Auth() != nil {
		t.Error("a call that nobody has authenticated has an end user")
	}
	a := &enmesh.Auth{Issuer: "i", Subject: "s"}
	c.SetAuth(a)
	if c.Auth() != a {
		t.Errorf("got %v, want %v", c.Auth(), a)
	}
}
