// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// FuzzHandler_oneView holds that a policy and ServeMux never see two paths: what the mux
// routes below a prefix, and what it does not, is what the policy finds there.
func FuzzHandler_oneView(f *testing.F) {
	for _, target := range []string{
		"/admin/secret", "//admin/secret", "/public/../admin/x", "/public/%2e%2e/admin/x", "/public/..%2fadmin/x", "/admin%2fsecret",
		"/admin;x=1/secret", "/admin%00", "/admin#x", "/%61dmin/x", "/%2561dmin/x", "/ADMIN/x", "/admin", "/admin/..", "http://h//admin/x", "*", "/a%20b/.",
	} {
		for level := range byte(5) {
			f.Add(target, level)
		}
	}
	f.Fuzz(func(t *testing.T, target string, level byte) {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: shop\r\n\r\n")))
		if err != nil {
			return
		}
		n := meshhttp.PathNormalization(level % 5)
		policies, handlers, pattern := look(req, n)
		if len(policies) != len(handlers) && pattern != "" {
			t.Fatalf("%q: the policy has seen %q, the handlers %q", target, policies, handlers)
		}
		if len(policies) == 0 {
			return
		}
		p := policies[0]
		for _, got := range handlers {
			if got != p {
				t.Fatalf("%q: the policy has seen %q, the handler %q", target, p, got)
			}
		}
		if n == meshhttp.PathStrict && pattern != patternOf(p) {
			t.Fatalf("%q is %q for the policy, and the mux takes %q for it", target, p, pattern)
		}
		if n == meshhttp.PathStrict && path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/" {
			t.Fatalf("%q is %q for the policy, which is not clean", target, p)
		}
	})
}

// look serves r, and gives the paths that the policy and the handlers have seen, and the
// pattern that ServeMux took; "" when it redirected.
func look(r *http.Request, n meshhttp.PathNormalization) (policies, handlers []string, pattern string) {
	mux := http.NewServeMux()
	for _, p := range []string{"/admin/", "/admin", "/public/", "/"} {
		mux.HandleFunc(p, func(_ http.ResponseWriter, r *http.Request) {
			handlers, pattern = append(handlers, r.URL.Path), r.Pattern
		})
	}
	h := meshhttp.NewHandler(mux, enmesh.Fixed(false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			policies = append(policies, c.Path)
			return next(ctx, c)
		}
	}), meshhttp.WithPathNormalization(n))
	h.ServeHTTP(httptest.NewRecorder(), r)
	return policies, handlers, pattern
}

// patternOf is what a policy's rules make of a path.
func patternOf(p string) string {
	for _, prefix := range []string{"/admin/", "/public/"} {
		if strings.HasPrefix(p, prefix) {
			return prefix
		}
	}
	switch p {
	case "/admin":
		return p
	case "/public":
		return "" // ServeMux redirects to "/public/"
	}
	return "/"
}
