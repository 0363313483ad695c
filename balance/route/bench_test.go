// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// BenchmarkActions is what each action adds to a call that is not sent.
func BenchmarkActions(b *testing.B) {
	m := mirrorFor(b, route.MirrorConfig{})
	seldom := to("shadow")
	seldom.Share = route.Million / 2
	route.SetDraw(m, func(n uint32) uint32 { return n - 1 })
	for name, mw := range map[string]enmesh.Middleware{
		"nothing":           enmesh.Chain(),
		"rewrite/prefix":    rewriting(b, route.Rewrite{URI: "/new/"}, uri(route.Prefix("/old/"))),
		"rewrite/exact":     rewriting(b, route.Rewrite{URI: "/new"}, uri(route.Exact("/old/x"))),
		"rewrite/regex":     rewriting(b, route.Rewrite{Regex: "^/old/(.*)$", Substitution: `/new/\1`}, route.Match{}),
		"headers":           route.Headers{Request: route.Ops{Set: map[string]string{"x-a": "1"}}}.Middleware(),
		"direct":            direct(b, route.Direct{Status: 503, Body: "closed"}),
		"mirror/not drawn":  m.Middleware(seldom),
		"redirect/scheme":   redirecting(b, route.Redirect{Scheme: "https"}),
		"redirect/location": redirecting(b, route.Redirect{URI: "/new", Authority: "b"}),
	} {
		b.Run(name, func(b *testing.B) {
			next := mw(func(context.Context, *enmesh.Call) error { return nil })
			c := &enmesh.Call{Header: metadata{}, Authority: "a:80", Scheme: "http"}
			b.ReportAllocs()
			for b.Loop() {
				c.Path = "/old/x"
				_ = next(context.Background(), c)
			}
		})
	}
}

// BenchmarkMirror is a call that is mirrored, the copy's way included.
func BenchmarkMirror(b *testing.B) {
	for name, shadows := range map[string][]route.Shadow{"none": nil, "one": {to("shadow")}} {
		b.Run(name, func(b *testing.B) {
			m := mirrorFor(b, route.MirrorConfig{MaxInFlight: 1 << 20})
			router := enmesh.Fixed(true, m.Middleware(shadows...))
			b.ReportAllocs()
			for b.Loop() {
				w := enmeshtest.NewWire()
				w.Call().Protocol = enmesh.GRPC
				_ = w.Do(context.Background(), router)
			}
		})
	}
}

func redirecting(t testing.TB, r route.Redirect) enmesh.Middleware {
	t.Helper()
	mw, err := r.Middleware(nil, route.Ops{})
	if err != nil {
		t.Fatal(err)
	}
	return mw
}
