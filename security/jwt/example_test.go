// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// A token says who calls, an invalid one is refused, and none is nobody.
func ExampleNew() {
	users, err := jwt.New(jwt.Config{Rules: []jwt.Rule{{
		Issuer:    issuer,
		Audiences: []string{"shop"},
		JWKS:      jwks(p256()),
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer users.Close()
	for _, header := range []string{"Bearer " + token(nil), "Bearer " + token(object{"aud": "bank"}), ""} {
		w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
			fmt.Printf("served for %q\n", c.Auth().Principal())
			return nil
		})
		w.Call().Header = enmeshtest.Header{}
		if header != "" {
			w.Call().Header.Set("Authorization", header)
		}
		if err := w.Do(context.Background(), enmesh.Fixed(false, users.Middleware())); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// served for "https://issuer.example/alice"
	// jwt: invalid token: its audience is not accepted here
	// served for ""
}

// Keys outlive the Authenticators that share them: a reload does not fetch anew.
func ExampleNewKeys() {
	keys, err := jwt.NewKeys(jwt.KeysConfig{Client: http.DefaultClient})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	rules := []jwt.Rule{{Issuer: issuer, JWKS: jwks(p256())}}
	for range 2 {
		users, err := jwt.New(jwt.Config{Rules: rules, Keys: keys})
		fmt.Println(users != nil, err)
		_ = users.Close()
	}
	// Output:
	// true <nil>
	// true <nil>
}
