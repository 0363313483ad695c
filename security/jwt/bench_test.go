// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// repeated is a call that is made again and again, through the Authenticator alone.
func repeated(t testing.TB, a *jwt.Authenticator, p enmesh.Protocol, raw string) func() {
	header := enmeshtest.Header{}
	value := []string{"Bearer " + raw}
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Side, c.Protocol, c.Method, c.Header = enmesh.Server, p, "GET", header
	chain := a.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
	ctx := context.Background()
	return func() {
		header["Authorization"] = value
		c.Clock = enmesh.Now()
		if err := chain(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkCached(b *testing.B) {
	for name, p := range map[string]enmesh.Protocol{"unary": enmesh.GRPC, "http": enmesh.HTTP} {
		b.Run(name, func(b *testing.B) {
			f := repeated(b, newAuth(b, jwt.Config{Rules: []jwt.Rule{plain()}}), p, rsaKey().sign("RS256", nil, claims(nil)))
			f()
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkUncached(b *testing.B) {
	for alg, s := range map[string]*signer{"RS256": rsaKey(), "ES256": p256(), "EdDSA": edKey()} {
		b.Run(alg, func(b *testing.B) {
			f := repeated(b, newAuth(b, jwt.Config{Rules: []jwt.Rule{plain()}, CacheSize: -1}), enmesh.GRPC, s.sign(alg, nil, claims(nil)))
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkRefused(b *testing.B) {
	a := newAuth(b, jwt.Config{Rules: []jwt.Rule{plain()}})
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Side, c.Protocol, c.Header = enmesh.Server, enmesh.GRPC, enmeshtest.Header{"Authorization": {"Bearer not.a.token!"}}
	chain := a.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
	b.ReportAllocs()
	for b.Loop() {
		if chain(context.Background(), c) == nil {
			b.Fatal("accepted")
		}
	}
}

// What a call costs in allocations: none where the token is known and nothing runs on, none to
// refuse.
func TestAllocations(t *testing.T) {
	raw := rsaKey().sign("RS256", nil, claims(nil))
	for _, tt := range []struct {
		name     string
		protocol enmesh.Protocol
		most     float64
	}{{"unary", enmesh.GRPC, 0}, {"runs on", enmesh.HTTP, 5}} {
		f := repeated(t, newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}}), tt.protocol, raw)
		f()
		if got := testing.AllocsPerRun(200, f); got > tt.most && !raceEnabled {
			t.Errorf("%s: %v allocations, want %v", tt.name, got, tt.most)
		}
	}
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Side, c.Protocol, c.Header = enmesh.Server, enmesh.GRPC, enmeshtest.Header{"Authorization": {"Bearer not.a.token!"}}
	chain := a.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
	if got := testing.AllocsPerRun(200, func() { _ = chain(context.Background(), c) }); got > 0 && !raceEnabled {
		t.Errorf("refusal: %v allocations, want 0", got)
	}
}
