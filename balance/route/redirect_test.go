// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// replied is what a middleware that answers by itself makes of a call: the answer it
// made up, if any, and the error.
func replied(t testing.TB, mw enmesh.Middleware, describe func(c *enmesh.Call)) (*enmesh.Reply, error) {
	t.Helper()
	w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error {
		t.Error("the call was sent")
		return nil
	})
	describe(w.Call())
	err := w.Do(t.Context(), enmesh.Fixed(false, mw))
	return w.Call().ReplyFor(err), err
}

// location is where a Redirect leads.
func location(t testing.TB, r route.Redirect, m *route.Match, c *enmesh.Call) string {
	t.Helper()
	mw, err := r.Middleware(m, route.Ops{})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := replied(t, mw, func(to *enmesh.Call) {
		to.Scheme, to.Authority, to.Path, to.Query, to.Port = c.Scheme, c.Authority, c.Path, c.Query, c.Port
	})
	if err != nil || reply == nil || len(reply.Header["Location"]) != 1 {
		t.Fatalf("reply %+v, error %v; want one Location", reply, err)
	}
	return reply.Header["Location"][0]
}

func TestRedirect_location(t *testing.T) {
	call := func(scheme, authority, path, query string) *enmesh.Call {
		return &enmesh.Call{Scheme: scheme, Authority: authority, Path: path, Query: query}
	}
	at := call("http", "a:8080", "/old/x", "q=1")
	for _, tt := range []struct {
		name     string
		redirect route.Redirect
		call     *enmesh.Call
		want     string
	}{
		{"uri", route.Redirect{URI: "/new"}, at, "http://a:8080/new?q=1"},
		{"uri as it is written", route.Redirect{URI: "/a%2Fb"}, at, "http://a:8080/a%2Fb?q=1"},
		{"uri with a query", route.Redirect{URI: "/new?p"}, at, "http://a:8080/new?p"},
		{"uri with an empty query", route.Redirect{URI: "/new?"}, at, "http://a:8080/new"},
		{"uri without a slash", route.Redirect{URI: "new"}, at, "http://a:8080/new?q=1"},
		{"prefix", route.Redirect{PrefixRewrite: "/new"}, at, "http://a:8080/new/x?q=1"},
		{"prefix, escaped", route.Redirect{PrefixRewrite: "/n w"}, call("http", "a", "/old/ü?", ""), "http://a/n%20w/%C3%BC%3F"},
		{"authority", route.Redirect{Authority: "b"}, at, "http://b/old/x?q=1"},
		{"authority with a port", route.Redirect{Authority: "b:81"}, at, "http://b:81/old/x?q=1"},
		{"authority and port", route.Redirect{Authority: "b:81", Port: 82}, at, "http://b:82/old/x?q=1"},
		{"port", route.Redirect{Port: 81}, at, "http://a:81/old/x?q=1"},
		{"port 80 of http", route.Redirect{Port: 80}, at, "http://a/old/x?q=1"},
		{"port 443 of http", route.Redirect{Port: 443}, at, "http://a:443/old/x?q=1"},
		{"port 443 of https", route.Redirect{Port: 443, Scheme: "https"}, at, "https://a/old/x?q=1"},
		{"port by protocol", route.Redirect{DerivePort: route.ProtocolPort}, at, "http://a/old/x?q=1"},
		{"port of the request", route.Redirect{DerivePort: route.RequestPort, Authority: "b"}, at, "http://b:8080/old/x?q=1"},
		{"port of the request, dialled", route.Redirect{DerivePort: route.RequestPort, Authority: "b"},
			&enmesh.Call{Authority: "a", Path: "/", Destination: enmesh.Destination{Port: 81}}, "http://b:81/"},
		{"port of the request, by scheme", route.Redirect{DerivePort: route.RequestPort, Authority: "b"}, call("https", "a", "/", ""), "https://b/"},
		{"scheme", route.Redirect{Scheme: "https"}, at, "https://a:8080/old/x?q=1"},
		{"scheme drops the old default", route.Redirect{Scheme: "https"}, call("http", "a:80", "/", ""), "https://a/"},
		{"scheme drops the new default", route.Redirect{Scheme: "https"}, call("http", "a:443", "/", ""), "https://a/"},
		{"scheme back", route.Redirect{Scheme: "http"}, call("https", "a:443", "/", ""), "http://a/"},
		{"IPv6", route.Redirect{Port: 81}, call("http", "[::1]:80", "/", ""), "http://[::1]:81/"},
		{"IPv6 without a port", route.Redirect{Port: 81}, call("http", "[::1]", "/", ""), "http://[::1]:81/"},
		{"no path", route.Redirect{Authority: "b"}, call("http", "a", "", ""), "http://b/"},
		{"what must not stand in a header", route.Redirect{Authority: "b"}, call("http", "a", "/a\r\nb", "x\r\ny#z"), "http://b/a%0D%0Ab?x%0D%0Ay%23z"},
	} {
		m := mustCompile(t, uri(route.Prefix("/old")))
		if got := location(t, tt.redirect, m, tt.call); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRedirect_answers(t *testing.T) {
	for code, want := range map[int]int{0: 301, 301: 301, 302: 302, 303: 303, 307: 307, 308: 308} {
		mw, err := route.Redirect{URI: "/new", Code: code}.Middleware(nil, route.Ops{Set: map[string]string{"x-by": "mesh"}})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := replied(t, mw, func(c *enmesh.Call) { c.Authority = "a" })
		if err != nil || reply.Status != want || reply.Header["X-By"][0] != "mesh" {
			t.Errorf("code %d: reply %+v, error %v; want %d", code, reply, err, want)
		}
		_, err = replied(t, mw, func(c *enmesh.Call) { c.Authority, c.Protocol = "a", enmesh.GRPC })
		if e := enmesh.ErrorOf(err); e == nil || e.Code != enmesh.Unknown || e.Outcome != enmesh.Neutral || e.Status != want ||
			!strings.Contains(err.Error(), "http://a/new") {
			t.Errorf("gRPC, code %d: %v, want Unknown and where to", code, err)
		}
	}
}

func TestRedirect_refuses(t *testing.T) {
	for _, r := range []route.Redirect{
		{}, {Code: 301}, {Code: 304, URI: "/"}, {URI: "/", PrefixRewrite: "/"}, {Scheme: "ftp"},
	} {
		if _, err := r.Middleware(nil, route.Ops{}); err == nil || !strings.HasPrefix(err.Error(), "route: redirect: ") {
			t.Errorf("%+v: error %v, want it refused", r, err)
		}
	}
}

func TestDirect_answers(t *testing.T) {
	for status, code := range map[int]enmesh.Code{
		200: enmesh.Unknown, 204: enmesh.Unknown, 302: enmesh.Unknown, 400: enmesh.Internal, 401: enmesh.Unauthenticated, 403: enmesh.PermissionDenied,
		404: enmesh.Unimplemented, 418: enmesh.Unknown, 429: enmesh.Unavailable, 500: enmesh.Unknown, 502: enmesh.Unavailable, 503: enmesh.Unavailable, 504: enmesh.Unavailable,
	} {
		mw, err := route.Direct{Status: status, Body: "text"}.Middleware(route.Ops{Add: map[string]string{"x-by": "mesh"}})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := replied(t, mw, func(*enmesh.Call) {})
		if reply == nil || reply.Status != status || string(reply.Body) != "text" || reply.Header["Content-Type"][0] != "text/plain" || reply.Header["X-By"][0] != "mesh" {
			t.Errorf("%d: reply %+v", status, reply)
		}
		if got := enmesh.CodeOf(err); got != enmesh.CodeOfStatus(status) || err != nil && enmesh.OutcomeOf(err) != enmesh.Neutral {
			t.Errorf("%d: error %v", status, err)
		}
		_, err = replied(t, mw, func(c *enmesh.Call) { c.Protocol, c.Kind = enmesh.GRPC, enmesh.Unary })
		if e := enmesh.ErrorOf(err); e == nil || e.Code != code || e.Status != status || e.Outcome != enmesh.Neutral || err.Error() != "route: text" {
			t.Errorf("%d over gRPC: %v, want %v with the body", status, err, code)
		}
	}
}

func TestDirect_refuses(t *testing.T) {
	for _, d := range []route.Direct{{}, {Status: 199}, {Status: 600}, {Status: 200, Body: strings.Repeat("x", 1<<20+1)}} {
		if _, err := d.Middleware(route.Ops{}); err == nil || !strings.HasPrefix(err.Error(), "route: direct: ") {
			t.Errorf("status %d: error %v, want it refused", d.Status, err)
		}
	}
	mw, err := route.Direct{Status: 503, Body: strings.Repeat("ü", 2000)}.Middleware(route.Ops{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = replied(t, mw, func(c *enmesh.Call) { c.Protocol = enmesh.GRPC })
	if n := len(errors.Unwrap(err).Error()); n != 1024 {
		t.Errorf("a long body is %d bytes of a gRPC status, want 1024", n)
	}
}

// FuzzRedirect holds that whatever a call and a policy say, the address is one that
// can be read again, is of the scheme and host that it should be, and breaks no header.
func FuzzRedirect(f *testing.F) {
	f.Add("/new", "", "b:81", uint16(0), uint8(0), "https", "a:8080", "/old/x", "q=1")
	f.Add("", "/new", "", uint16(81), uint8(1), "", "[::1]:80", "/old/é%", "a=b\r\nc")
	f.Add("", "", "", uint16(443), uint8(2), "https", "", "", "")
	f.Fuzz(func(t *testing.T, whole, prefix, authority string, port uint16, derive uint8, scheme, host, path, query string) {
		r := route.Redirect{URI: whole, PrefixRewrite: prefix, Authority: authority, Port: port, DerivePort: route.PortRule(derive % 3), Scheme: scheme}
		mw, err := r.Middleware(nil, route.Ops{})
		if err != nil {
			return
		}
		reply, err := replied(t, mw, func(c *enmesh.Call) { c.Authority, c.Path, c.Query = host, path, query })
		if err != nil {
			t.Fatal(err)
		}
		got := reply.Header["Location"][0]
		if i := strings.IndexFunc(got, func(c rune) bool { return c <= ' ' || c >= 0x7f }); i >= 0 {
			t.Fatalf("%+v: %q holds %q", r, got, got[i])
		}
		rest, ok := strings.CutPrefix(got, "https://")
		if !ok {
			rest, ok = strings.CutPrefix(got, "http://")
		}
		if !ok || strings.IndexByte(rest, '/') < 0 {
			t.Fatalf("%+v: %q is no address", r, got)
		}
		if _, err := url.Parse("http://x" + rest[strings.IndexByte(rest, '/'):]); err != nil && whole == "" {
			t.Fatalf("%+v: %q: %v", r, got, err)
		}
	})
}

// FuzzRewrite holds that a rewrite of the path either is refused when it is made or
// always gives a path, and that a group means what package regexp says.
func FuzzRewrite(f *testing.F) {
	f.Add("^/service/([^/]+)(/.*)$", `\2/instance/\1`, "/service/foo/v1/api")
	f.Add("one", "two", "/xxx/one/yyy/one/zzz")
	f.Add("(a)|b", `\1$1\\\0`, "/ab")
	f.Add("", `\0`, "/x")
	f.Fuzz(func(t *testing.T, expression, substitution, path string) {
		r := route.Rewrite{Regex: expression, Substitution: substitution}
		mw, err := r.Middleware(nil)
		if err != nil || mw == nil {
			return
		}
		c := rewritten(t, r, nil, &enmesh.Call{Path: path})
		if !strings.HasPrefix(c.Path, "/") {
			t.Fatalf("%+v: %q becomes %q", r, path, c.Path)
		}
		same := rewritten(t, route.Rewrite{Regex: expression, Substitution: `\0`}, nil, &enmesh.Call{Path: path})
		if strings.HasPrefix(path, "/") && same.Path != path {
			t.Fatalf("%q with itself for all of its matches makes %q of %q", expression, same.Path, path)
		}
	})
}
