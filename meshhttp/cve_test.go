// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// secret is what only the protected handlers say.
const secret = "the secret"

// vault serves its secret below /private/ and /admin/ where policy lets it, with a mux, and
// with a handler that looks at the request in its own way.
func vault(t *testing.T, allow func(*enmesh.Call) bool, h http.Handler, opts ...meshhttp.ServerOption) string {
	t.Helper()
	return listen(t, meshhttp.NewHandler(h, enmesh.Fixed(false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if !allow(c) {
				return &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral}
			}
			return next(ctx, c)
		}
	}), opts...))
}

func muxed() http.Handler {
	mux := http.NewServeMux()
	for _, p := range []string{"/private/", "/admin/", "/admin"} {
		mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "open") })
	return mux
}

// within allows what a prefix names, or all but that.
func within(prefix string, want bool) func(*enmesh.Call) bool {
	return func(c *enmesh.Call) bool { return strings.HasPrefix(c.Path, prefix) == want }
}

// kept sends every request and wants the secret kept.
func kept(t *testing.T, addr string, requests ...string) {
	t.Helper()
	for _, text := range requests {
		if status, _, body := raw(t, addr, text); strings.Contains(body, secret) {
			t.Errorf("%.80q: status %d, and the secret", text, status)
		}
	}
}

// CVE-2019-9901: the checker took /info/../private as it was written.
func TestCVE_2019_9901_dotSegments(t *testing.T) {
	addr := vault(t, within("/info/", true), muxed())
	kept(t, addr, ask("/info/../private/x"), ask("/info/./../private/x"), ask("/info/%2e%2e/private/x"), ask("/info/..//private/x"))
}

// CVE-2021-29492: escaped slashes and backslashes hid segments from the checker.
func TestCVE_2021_29492_escapedSlashes(t *testing.T) {
	for _, addr := range []string{
		vault(t, within("/admin", false), muxed()),
		vault(t, within("/info/", true), muxed()),
		vault(t, within("/admin", false), muxed(), meshhttp.WithPathNormalization(meshhttp.PathDecodeAndMergeSlashes)),
		vault(t, within("/info/", true), muxed(), meshhttp.WithPathNormalization(meshhttp.PathDecodeAndMergeSlashes)),
	} {
		kept(t, addr, ask("/%2Fadmin/x"), ask("/admin%2Fx"), ask("/info/..%2Fadmin/x"), ask("/info%2F..%2Fadmin%2Fx"),
			ask("/info/..%5Cadmin/x"), ask("/info%5C..%5Cadmin/x"), ask(`/info\..\admin/x`))
	}
}

// CVE-2021-32779: a "#" in the path ended it for the one and not for the other.
func TestCVE_2021_32779_fragment(t *testing.T) {
	exact := func(c *enmesh.Call) bool { return c.Path != "/admin" }
	addr := vault(t, exact, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, _, _ := strings.Cut(r.URL.Path, "#"); p == "/admin" {
			_, _ = io.WriteString(w, secret)
		}
	}))
	for _, target := range []string{"/admin#x", "/admin#/x", "/admin?#x", "/#/../admin"} {
		if status, _, body := raw(t, addr, ask(target)); status != 400 || strings.Contains(body, secret) {
			t.Errorf("%q: status %d %q, want 400", target, status, body)
		}
	}
}

// CVE-2019-9900: a value was compared up to its NUL by the one, and whole by the other.
func TestCVE_2019_9900_NUL(t *testing.T) {
	v, addr := watch(t)
	for _, text := range []string{ask("/", "X-Role: user\x00admin"), ask("/", "X-Role\x00: admin"), ask("/admin%00"), ask("/admin\x00"), ask("/?a\x00")} {
		if status, _, _ := raw(t, addr, text); status != 400 || v.policies+v.runs != 0 {
			t.Errorf("%.80q: status %d, the handler ran %d times; want 400", text, status, v.runs)
		}
	}
}

// CVE-2023-27487: the caller's own x-envoy-original-path took the place of the path.
func TestCVE_2023_27487_originalPath(t *testing.T) {
	trusting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		for _, key := range []string{"X-Envoy-Original-Path", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Uri"} {
			if p := r.Header.Get(key); p != "" {
				path = p
			}
		}
		if strings.HasPrefix(path, "/admin") {
			_, _ = io.WriteString(w, secret)
		}
	})
	byHeader := func(c *enmesh.Call) bool {
		path := c.Path
		if p := c.Header.Get("X-Envoy-Original-Path"); p != "" {
			path = p
		}
		return strings.HasPrefix(path, "/public/")
	}
	addr := vault(t, byHeader, trusting)
	kept(t, addr, ask("/admin/x", "X-Envoy-Original-Path: /public/"), ask("/public/", "X-Envoy-Original-Path: /admin/x"),
		ask("/public/", "X-Original-URL: /admin/x"), ask("/public/", "x_original_url: /admin/x"), ask("/public/", "X-Rewrite-URL: /admin/x"),
		ask("/public/", "X-Forwarded-Uri: /admin/x"))
}

// CVE-2024-45806: callers from private addresses were believed to be inside, and their
// internal headers were kept.
func TestCVE_2024_45806_privateAddressesAreNotTrusted(t *testing.T) {
	v, addr := watch(t) // a loopback address
	for _, key := range []string{"X-Envoy-Internal", "X-Envoy-External-Address", "X-Envoy-Downstream-Service-Cluster", "X-Forwarded-Client-Cert"} {
		if status, _, _ := raw(t, addr, ask("/", key+": true")); status != 200 || v.header[key] != nil || v.request.Header[key] != nil {
			t.Errorf("%s: status %d, the handler sees %v", key, status, v.request.Header)
		}
	}
}

// ISTIO-SECURITY-2021-005: "//admin" and escaped slashes passed rules for "/admin".
func TestISTIO_SECURITY_2021_005_slashes(t *testing.T) {
	for _, allow := range []func(*enmesh.Call) bool{within("/admin", false), func(c *enmesh.Call) bool { return c.Path != "/admin" }} {
		addr := vault(t, allow, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if path := "/" + strings.TrimLeft(r.URL.Path, "/"); path == "/admin" {
				_, _ = io.WriteString(w, secret)
			}
		}))
		kept(t, addr, ask("//admin"), ask("///admin"), ask("/%2Fadmin"), ask("/%2fadmin"), ask("//%2fadmin"), ask("/./admin"), ask("/.//admin"))
	}
}

// CVE-2021-39155: a host in other letters passed the rules that named it.
func TestCVE_2021_39155_hostCase(t *testing.T) {
	addr := vault(t, func(c *enmesh.Call) bool { return c.Service != "httpbin.foo" }, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := strings.Cut(strings.ToLower(r.Host), ":"); strings.TrimSuffix(host, ".") == "httpbin.foo" {
			_, _ = io.WriteString(w, secret)
		}
	}))
	for _, host := range []string{"httpbin.foo", "HTTPBIN.foo", "Httpbin.Foo.", "httpbin.FOO:80", "httpbin.foo.:8080"} {
		kept(t, addr, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n", "GET http://"+host+"/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	}
}
