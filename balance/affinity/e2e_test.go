// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// farm starts servers that answer with their number, and with status 500 under /fail.
func farm(t *testing.T, n int) []discovery.Endpoint {
	t.Helper()
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "own=1")
			if r.URL.Path == "/fail" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprint(w, i)
		}))
		t.Cleanup(s.Close)
		eps[i] = discovery.Endpoint{Addrs: []string{s.Listener.Addr().String()}}
	}
	return eps
}

// visitor is an http.Client over the farm, with a cookie jar of its own.
func visitor(t *testing.T, eps []discovery.Endpoint, policy enmesh.Middleware) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": eps}, balance.Maglev(balance.MaglevConfig{}))
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false, policy), source)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Jar: jar}
}

func visit(t *testing.T, c *http.Client, path string) string {
	t.Helper()
	return visitAs(t, c, path, "")
}

// visitAs is a visit with the header "user".
func visitAs(t *testing.T, c *http.Client, path, user string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.Header.Set("User", user)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Each visitor stays with the server of its first call, whose answer brought the cookie,
// though it were a failure; visitors differ.
func TestCookie_visitorsStayWhereTheyBegan(t *testing.T) {
	eps := farm(t, 5)
	policy, err := affinity.Cookie(affinity.CookieConfig{Name: "session", Path: "/", Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]bool{}
	for i := range 20 {
		c := visitor(t, eps, policy)
		first := visit(t, c, []string{"/", "/fail"}[i%2])
		servers[first] = true
		for range 5 {
			if got := visit(t, c, "/"); got != first {
				t.Fatalf("visitor %d began at server %s and came to %s", i, first, got)
			}
		}
		if got := len(c.Jar.Cookies(&url.URL{Scheme: "http", Host: "reviews", Path: "/"})); got != 2 {
			t.Errorf("visitor %d has %d cookies, want the server's and the policy's", i, got)
		}
		c.CloseIdleConnections()
	}
	if len(servers) < 4 {
		t.Errorf("20 visitors met %d of 5 servers", len(servers))
	}
}

func TestQuery_sameParameterSameServer(t *testing.T) {
	c := visitor(t, farm(t, 5), affinity.Query("book"))
	for book := range 10 {
		first := visit(t, c, fmt.Sprintf("/?book=%d", book))
		for page := range 5 {
			if got := visit(t, c, fmt.Sprintf("/?page=%d&book=%d", page, book)); got != first {
				t.Fatalf("book %d went to servers %s and %s", book, first, got)
			}
		}
	}
}

// The first calls of a client go where all its later ones do: an instance keeps the keys it
// owns while nobody is connected to it yet.
func TestHeader_firstCallsGoToTheirOwners(t *testing.T) {
	eps := farm(t, 5)
	c := visitor(t, eps, affinity.Header("user"))
	ask := func(user int) string { return visitAs(t, c, "/", strconv.Itoa(user)) }
	first, servers := make([]string, 100), map[string]bool{}
	for user := range first {
		first[user] = ask(user)
		servers[first[user]] = true
	}
	if len(servers) != len(eps) {
		t.Errorf("%d servers have calls, want %d", len(servers), len(eps))
	}
	for user, server := range first {
		if again := ask(user); again != server {
			t.Errorf("user %d began at server %s and came to %s", user, server, again)
		}
	}
}
