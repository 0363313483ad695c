// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/exthttp"
)

// authorizer is a service that answers as the test says, and keeps what it was asked.
type authorizer struct {
	*httptest.Server
	mu    sync.Mutex // guards asked
	asked []*http.Request
}

func newAuthorizer(t testing.TB, h http.HandlerFunc) *authorizer {
	t.Helper()
	a := &authorizer{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.asked = append(a.asked, r)
		a.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// last is what was asked last.
func (a *authorizer) last(t testing.TB) *http.Request {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		t.Fatal("nothing was asked")
	}
	return a.asked[len(a.asked)-1]
}

// mustNew makes a Checker of an authorizer.
func mustNew(t testing.TB, a *authorizer, cfg exthttp.Config) *exthttp.Checker {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = a.URL
	}
	k, err := exthttp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// call is a GET of /a%20b?x=1.
func call() *enmesh.Call {
	return &enmesh.Call{
		Side: enmesh.Server, Method: "GET", Path: "/a b", Query: "x=1", Scheme: "http", Authority: "shop.example",
		Header: enmeshtest.Header{}, Answer: enmesh.Answer{Header: enmeshtest.Header{}},
	}
}

// serve is a server whose calls a CUSTOM policy has the checker decide over.
func serve(t testing.TB, k authz.Checker, h http.HandlerFunc) string {
	t.Helper()
	engine, err := authz.New(authz.Config{
		Policies: []authz.Policy{{Name: "ask", Action: authz.Custom, Provider: "it", Rules: []authz.Rule{{}}}},
		Checkers: map[string]authz.Checker{"it": k},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(meshhttp.NewHandler(h, enmesh.Fixed(false, enmesh.Guard(engine))))
	t.Cleanup(server.Close)
	return server.URL
}

// ask makes one request and follows no redirection.
func ask(t testing.TB, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, strings.TrimSpace(string(text))
}
