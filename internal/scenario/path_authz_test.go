// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/authz"
)

// keeping are policies that keep callers from the secret, by what they say.
var keeping = map[string]authz.Policy{
	denyAdmin:                     {Action: authz.Deny, Rules: toPaths("/admin/*", "/admin")},
	"ALLOW /public/*":             {Action: authz.Allow, Rules: toPaths("/public/*")},
	"ALLOW but /admin":            {Action: authz.Allow, Rules: []authz.Rule{{To: []authz.Operation{{NotPaths: []string{"/admin*"}}}}}},
	"DENY by template":            {Action: authz.Deny, Rules: toPaths("/admin/{**}", "/admin")},
	"DENY by one segment":         {Action: authz.Deny, Rules: toPaths("/{*}/secret", "/{*}/secret/")},
	"DENY by prefix":              {Action: authz.Deny, Rules: toPaths("/admin*")},
	"DENY by suffix":              {Action: authz.Deny, Rules: toPaths("*/secret", "*/secret/")},
	"DENY but what is public":     {Action: authz.Deny, Rules: []authz.Rule{{To: []authz.Operation{{NotPaths: []string{"/public/*", "/"}}}}}},
	"DENY the path to every host": {Action: authz.Deny, Rules: []authz.Rule{{To: []authz.Operation{{Hosts: []string{"*"}, Paths: []string{"/admin*"}}}}}},
}

func toPaths(patterns ...string) []authz.Rule {
	return []authz.Rule{{To: []authz.Operation{{Paths: patterns}}}}
}

// The same tricks against the engine that Istio's policies are compiled for.
func TestScenarioA1_authorizationPolicies(t *testing.T) {
	rules := map[string]enmesh.Middleware{}
	for name, p := range keeping {
		p.Name, p.Namespace, p.Origin = "keep", "default", "keep.yaml:1"
		engine, err := authz.New(authz.Config{Policies: []authz.Policy{p}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rules[name] = enmesh.Guard(engine)
	}
	barred(t, rules)
}

// A rule for a method is not dodged by another spelling of it, nor by a header.
func TestScenarioA12_authorizationPolicies(t *testing.T) {
	engine, err := authz.New(authz.Config{Policies: []authz.Policy{{
		Name: "no-posts", Namespace: "default", Origin: "methods.yaml:1", Action: authz.Deny,
		Rules: []authz.Rule{{To: []authz.Operation{{Methods: []string{"GET", "POST", "HEAD"}}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for handler, h := range handlers(t) {
		c := dialRaw(t, sockets(t, meshhttp.NewHandler(h, enmesh.Fixed(false, enmesh.Guard(engine)))))
		for _, method := range []string{"GET", "get", "GeT", "POST", "post", "HEAD", "FOO", "PUT"} {
			status, body := c.send(method+" /admin/secret", "X-HTTP-Method-Override: PUT", "X-Method-Override: PUT", "Content-Length: 0")
			if method != "PUT" && (strings.Contains(body, hidden) || status != 403 && status != 405) {
				t.Errorf("%s: %s: status %d, %q", handler, method, status, body)
			}
		}
	}
}

// A rule for a host holds for every way to write it, and for every place to write it in.
func TestScenarioA13_authorizationPolicies(t *testing.T) {
	byHost := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, host := range []string{r.Host, r.URL.Host, r.Header.Get("Host")} {
			name, _, _ := strings.Cut(strings.ToLower(host), ":")
			if strings.TrimSuffix(name, ".") == "admin.shop" {
				_, _ = io.WriteString(w, hidden)
			}
		}
	})
	for name, op := range map[string]authz.Operation{
		"DENY the host":    {Hosts: []string{"admin.shop"}},
		"DENY the suffix":  {Hosts: []string{"*.shop"}},
		"DENY other hosts": {NotHosts: []string{"open.shop"}},
	} {
		engine, err := authz.New(authz.Config{Policies: []authz.Policy{{
			Name: "hosts", Namespace: "default", Origin: "hosts.yaml:1", Action: authz.Deny, Rules: []authz.Rule{{To: []authz.Operation{op}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		addr := sockets(t, meshhttp.NewHandler(byHost, enmesh.Fixed(false, enmesh.Guard(engine))))
		for _, host := range []string{
			"admin.shop", "ADMIN.shop", "Admin.Shop.", "admin.shop:80", "admin.shop.:8080", "admin.shop:", "admin.shop:0080",
			"user@admin.shop", "admin.shop@open.shop", "open.shop@admin.shop", "admin.shop,open.shop", "open.shop,admin.shop", "admin%2eshop",
		} {
			for _, request := range []string{
				"GET / HTTP/1.1\r\nHost: " + host + "\r\n", "GET http://" + host + "/ HTTP/1.1\r\nHost: open.shop\r\n",
				"GET HTTP://" + host + " HTTP/1.1\r\nHost: open.shop\r\n", "GET / HTTP/1.1\r\nHost: open.shop\r\nHost: " + host + "\r\n",
			} {
				if status, body := sendRaw(t, addr, request+"Connection: close\r\n\r\n"); strings.Contains(body, hidden) || status != 400 && status != 403 {
					t.Errorf("%s: %q: status %d, %q", name, request, status, body)
				}
			}
		}
		if status, _ := sendRaw(t, addr, "GET / HTTP/1.1\r\nHost: open.shop\r\nConnection: close\r\n\r\n"); (status == 200) != (name != "DENY the suffix") {
			t.Errorf("%s: the open host: status %d", name, status)
		}
	}
}

// sendRaw sends text as it is, on a connection of its own.
func sendRaw(t *testing.T, addr, text string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	b, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, string(b)
}
