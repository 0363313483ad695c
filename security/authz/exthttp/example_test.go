// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/exthttp"
)

// A service that knows who is logged in, and what it makes of two calls.
func ExampleNew() {
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") == "" {
			http.Redirect(w, r, "https://login.example/", http.StatusFound)
			return
		}
		w.Header().Set("X-User", "ann")
	}))
	defer login.Close()
	checker, err := exthttp.New(exthttp.Config{
		URL:                          login.URL,
		IncludeRequestHeadersInCheck: []string{"cookie"},
		HeadersToUpstreamOnAllow:     []string{"x-user"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()
	engine, err := authz.New(authz.Config{
		Policies: []authz.Policy{{Name: "login", Action: authz.Custom, Provider: "login", Rules: []authz.Rule{{}}}},
		Checkers: map[string]authz.Checker{"login": checker},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, header := range []enmeshtest.Header{{}, {"Cookie": {"session=1"}}} {
		c := &enmesh.Call{Side: enmesh.Server, Method: "GET", Path: "/cart", Authority: "shop.example", Header: header}
		_, err := engine.Admit(context.Background(), c)
		if r := c.ReplyFor(err); r != nil {
			fmt.Println(r.Status, r.Header["Location"])
			continue
		}
		fmt.Println(err, c.Header.Get("X-User"))
	}
	// Output:
	// 302 [https://login.example/]
	// <nil> ann
}
