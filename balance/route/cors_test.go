// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// marked is what becomes of a call: the status and the CORS headers that a policy answers it
// with, or "sent" and those that are set on the answer of the service, "Allow-Origin: *;
// Expose-Headers: x-own".
func marked(t testing.TB, p route.CORS, protocol enmesh.Protocol, method string, header ...string) string {
	t.Helper()
	mw, err := p.Middleware()
	if err != nil {
		t.Fatal(err)
	}
	was := "sent"
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Protocol, c.Method, c.Header = protocol, method, enmeshtest.Header{}
	for i := 0; i < len(header); i += 2 {
		c.Header.Add(header[i], header[i+1])
	}
	err = w.Do(t.Context(), enmesh.Fixed(false, mw))
	if err != nil {
		t.Fatalf("error %v, want none", err)
	}
	h := enmeshtest.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Expose-Headers": {"x-own"}}
	if reply := c.ReplyFor(err); reply != nil {
		if w.Sent() > 0 {
			t.Error("the call was answered, and sent")
		}
		was, h = http.StatusText(reply.Status), reply.Header
	}
	if edit := c.HeadEdit(); edit != nil {
		edit(h)
	}
	out := []string{was}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out = append(out, strings.TrimPrefix(name, "Access-Control-")+": "+strings.Join(h[name], "|"))
	}
	return strings.Join(out, "; ")
}

const (
	ownHeaders = "sent; Allow-Origin: *; Expose-Headers: x-own"
	askMethod  = "Access-Control-Request-Method"
	askHeaders = "Access-Control-Request-Headers"
	shop       = "https://shop.example"
)

// Each row is a call, and what Envoy's filter does with it.
func TestCORS_does(t *testing.T) {
	of := func(origins ...route.StringMatch) route.CORS { return route.CORS{Origins: origins} }
	full := route.CORS{
		Origins: []route.StringMatch{route.Exact(shop)}, Methods: []string{"POST", "GET"}, Headers: []string{"X-Foo", "X-Bar"},
		Expose: []string{"X-Total", "X-Page"}, MaxAge: 24 * time.Hour, Credentials: true,
	}
	ignoring := full
	ignoring.IgnoreUnmatched = true
	anything := route.CORS{Origins: []route.StringMatch{route.Exact("*")}, Methods: []string{"*"}, Headers: []string{"*"}}
	for _, tt := range []struct {
		name   string
		policy route.CORS
		method string
		header []string
		want   string
	}{
		{"a preflight", full, "OPTIONS", []string{"Origin", shop, askMethod, "PUT"},
			"OK; Allow-Credentials: true; Allow-Headers: X-Foo,X-Bar; Allow-Methods: POST,GET; Allow-Origin: " + shop + "; Max-Age: 86400"},
		{"a preflight, with little said", of(route.Exact(shop)), "OPTIONS", []string{"Origin", shop, askMethod, "PUT", askHeaders, "x-a"},
			"OK; Allow-Origin: " + shop},
		{"a preflight of another origin", full, "OPTIONS", []string{"Origin", "https://evil.example", askMethod, "PUT"}, ownHeaders},
		{"a preflight of another origin, ignored", ignoring, "OPTIONS", []string{"Origin", "https://evil.example", askMethod, "PUT"}, "OK"},
		{"a preflight where others are ignored", ignoring, "OPTIONS", []string{"Origin", shop, askMethod, "PUT"},
			"OK; Allow-Credentials: true; Allow-Headers: X-Foo,X-Bar; Allow-Methods: POST,GET; Allow-Origin: " + shop + "; Max-Age: 86400"},
		{"a preflight for anything", anything, "OPTIONS", []string{"Origin", "null", askMethod, "QUERY", askHeaders, "x-a", askHeaders, "x-b"},
			"OK; Allow-Headers: x-a,x-b; Allow-Methods: QUERY; Allow-Origin: null"},
		{"a preflight for anything, without headers", anything, "OPTIONS", []string{"Origin", "null", askMethod, "GET"},
			"OK; Allow-Methods: GET; Allow-Origin: null"},
		{"OPTIONS that asks for no method", full, "OPTIONS", []string{"Origin", shop},
			"sent; Allow-Credentials: true; Allow-Origin: " + shop + "; Expose-Headers: X-Total,X-Page"},
		{"OPTIONS that asks for no method, of another origin", ignoring, "OPTIONS", []string{"Origin", "https://evil.example"}, ownHeaders},
		{"another method that asks for one", full, "GET", []string{"Origin", shop, askMethod, "GET"},
			"sent; Allow-Credentials: true; Allow-Origin: " + shop + "; Expose-Headers: X-Total,X-Page"},
		{"OPTIONS without an origin", ignoring, "OPTIONS", []string{askMethod, "GET"}, ownHeaders},
		{"a call", full, "POST", []string{"Origin", shop},
			"sent; Allow-Credentials: true; Allow-Origin: " + shop + "; Expose-Headers: X-Total,X-Page"},
		{"a call, with little said", of(route.Exact(shop)), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"a call of another origin", ignoring, "GET", []string{"Origin", "https://evil.example"}, ownHeaders},
		{"a call with two origins", anything, "GET", []string{"Origin", shop, "Origin", shop}, ownHeaders},
		{"a call with an empty origin", anything, "GET", []string{"Origin", ""}, ownHeaders},
		{"a call without an origin", anything, "GET", nil, ownHeaders},
		{"no origin may", of(), "GET", []string{"Origin", shop}, ownHeaders},

		{"exact is no prefix", of(route.Exact(shop)), "GET", []string{"Origin", shop + ".evil"}, ownHeaders},
		{"exact is of one case", of(route.Exact(shop)), "GET", []string{"Origin", "HTTPS://shop.example"}, ownHeaders},
		{"a prefix", of(route.Prefix("https://")), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"another prefix", of(route.Prefix("https://")), "GET", []string{"Origin", "http://a"}, ownHeaders},
		{"a regex", of(route.Regex(`https://[a-z]+\.example`)), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"a regex is of the whole origin", of(route.Regex(`https://[a-z]+\.example`)), "GET", []string{"Origin", shop + ".evil"}, ownHeaders},
		{"the second of two", of(route.Exact("https://a"), route.Exact(shop)), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"* of a regex", of(route.Regex(".*")), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"* as a prefix", of(route.Prefix("*")), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"* among others", of(route.Exact("*"), route.Exact("https://a")), "GET", []string{"Origin", shop}, "sent; Allow-Origin: " + shop + "; Expose-Headers: x-own"},
		{"a star is no pattern", of(route.Exact("https://*.example")), "GET", []string{"Origin", shop}, ownHeaders},
		{"* of methods beside another", route.CORS{Origins: anything.Origins, Methods: []string{"*", "GET"}}, "OPTIONS", []string{"Origin", shop, askMethod, "PUT"},
			"OK; Allow-Methods: *,GET; Allow-Origin: " + shop},
	} {
		if got := marked(t, tt.policy, enmesh.HTTP, tt.method, tt.header...); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if got := marked(t, tt.policy, enmesh.GRPC, tt.method, tt.header...); got != ownHeaders {
			t.Errorf("%s, over gRPC:\n got %s\nwant %s", tt.name, got, ownHeaders)
		}
	}
}

// A call that fails is marked all the same, and without a header there is no page.
func TestCORS_marksFailures(t *testing.T) {
	mw, err := route.CORS{Origins: []route.StringMatch{route.Exact(shop)}}.Middleware()
	if err != nil {
		t.Fatal(err)
	}
	errFar := &enmesh.Error{Code: enmesh.PermissionDenied, Status: 403}
	w := enmeshtest.NewWire(enmeshtest.Answer(errFar))
	w.Call().Header = enmeshtest.Header{"Origin": {shop}}
	if err := w.Do(t.Context(), enmesh.Fixed(false, mw)); enmesh.ErrorOf(err) != errFar || w.Call().HeadEdit() == nil {
		t.Errorf("error %v, marked %v; want the far side's and true", err, w.Call().HeadEdit() != nil)
	}
	c := &enmesh.Call{}
	if err := mw(func(context.Context, *enmesh.Call) error { return nil })(t.Context(), c); err != nil || c.HeadEdit() != nil {
		t.Errorf("without a header: error %v, marked %v; want neither", err, c.HeadEdit() != nil)
	}
}

func TestCORS_everyone(t *testing.T) {
	for want, all := range map[bool][]route.StringMatch{
		true:  {route.Exact("*"), route.Prefix("*"), route.Regex(".*"), route.Regex(".+"), route.Prefix(""), route.Present()},
		false: {route.Exact(shop), route.Prefix("https://"), route.Regex("https://.*"), route.Regex("(")},
	} {
		for _, m := range all {
			if got := (route.CORS{Origins: []route.StringMatch{m}}).Everyone(); got != want {
				t.Errorf("%v: everyone %v, want %v", m, got, want)
			}
		}
	}
	if (route.CORS{}).Everyone() {
		t.Error("no origin is everyone, want nobody")
	}
}

func TestCORS_refuses(t *testing.T) {
	for _, p := range []route.CORS{
		{Origins: []route.StringMatch{route.Regex("(")}},
		{Methods: []string{"GET POST"}}, {Methods: []string{""}}, {Headers: []string{"x:y"}}, {Expose: []string{"x\r\ny"}}, {Expose: []string{"é"}},
		{MaxAge: -time.Second}, {MaxAge: 1500 * time.Millisecond},
	} {
		if _, err := p.Middleware(); err == nil || !strings.HasPrefix(err.Error(), "route: cors: ") {
			t.Errorf("%+v: error %v, want it refused", p, err)
		}
	}
}

// Calls that no page makes cost nothing.
func TestCORS_costsNothingWithoutAnOrigin(t *testing.T) {
	mw, err := route.CORS{Origins: []route.StringMatch{route.Exact(shop)}}.Middleware()
	if err != nil {
		t.Fatal(err)
	}
	next := mw(func(context.Context, *enmesh.Call) error { return nil })
	c := &enmesh.Call{Method: "GET", Header: webHeader{http.Header{"Accept": {"*/*"}}}}
	if got := testing.AllocsPerRun(100, func() { _ = next(context.Background(), c) }); got > 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
