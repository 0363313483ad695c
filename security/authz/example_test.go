// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/authz"
)

// Everybody may read, but for what is below /admin.
func ExampleNew() {
	engine, err := authz.New(authz.Config{Policies: []authz.Policy{
		{Name: "read", Rules: []authz.Rule{{To: []authz.Operation{{Methods: []string{"GET"}}}}}},
		{Name: "no-admin", Action: authz.Deny, Rules: []authz.Rule{{To: []authz.Operation{{Paths: []string{"/admin", "/admin/*"}}}}}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "this is "+r.URL.Path) })
	handler := meshhttp.NewHandler(app, enmesh.Fixed(false, engine.Middleware()))
	for _, target := range []string{"/reviews/1", "/admin/users"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 this is /reviews/1
	// 403 RBAC: access denied
}

// A policy that cannot be meant is refused at once.
func ExampleNew_refused() {
	_, err := authz.New(authz.Config{Policies: []authz.Policy{{
		Name: "viewers", Namespace: "default", Origin: "authz.yaml:3", Action: authz.Deny,
		Rules: []authz.Rule{{From: []authz.Source{{IPBlocks: []string{"10.0.0.0/64"}}}}},
	}}})
	fmt.Println(err)
	// Output:
	// authz: authz.yaml:3: policy "default/viewers": rules[0].from[0].source.ipBlocks[0]: "10.0.0.0/64" is neither an IP address nor a CIDR range, such as 203.0.113.4, 203.0.113.0/24, 2001:db8::/32
}

// Why a call is refused, and what it would take.
func ExampleEngine_Explain() {
	engine, err := authz.New(authz.Config{Policies: []authz.Policy{{
		Name: "viewers", Namespace: "default",
		Rules: []authz.Rule{{
			Origin: "authz.yaml:9",
			From:   []authz.Source{{Principals: []string{"cluster.local/ns/default/sa/web"}}},
			To:     []authz.Operation{{Methods: []string{"GET"}, Paths: []string{"/reviews/*"}}},
		}},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := engine.Explain(context.Background(), &enmesh.Call{
		Side: enmesh.Server, Method: "POST", Path: "/reviews/1",
		Source: &enmesh.Peer{Identity: "spiffe://cluster.local/ns/default/sa/web"},
	})
	fmt.Println("allowed:", d.Allowed, "since", d.Reason)
	for _, near := range d.Near {
		fmt.Println(near.Policy, near.Rule, near.Origin+":", near.Why)
	}
	// Output:
	// allowed: false since no ALLOW policy matches
	// default/viewers rules[0] authz.yaml:9: to[0].methods is none of "GET"
}

// Refusals in a log.
func ExampleLogTo() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	engine, err := authz.New(authz.Config{
		Policies: []authz.Policy{{
			Name: "no-admin", Action: authz.Deny, Origin: "authz.yaml:1",
			Rules: []authz.Rule{{To: []authz.Operation{{Paths: []string{"/admin*"}}}}},
		}},
		Audit: authz.LogTo(log),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = engine.Admit(context.Background(), &enmesh.Call{Side: enmesh.Server, Protocol: enmesh.GRPC, Method: "POST", Path: "/admin.Users/List"})
	fmt.Println(err)
	// Output:
	// level=WARN msg="authz: decision" allowed=false reason="a DENY policy matches" action=DENY policy=no-admin rule=rules[0] origin=authz.yaml:1 method=POST host="" path=/admin.Users/List
	// authz: RBAC: access denied
}
