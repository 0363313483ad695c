// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// mirrorFor is a Mirror that is closed with the test.
func mirrorFor(t testing.TB, cfg route.MirrorConfig) *route.Mirror {
	t.Helper()
	m, err := route.NewMirror(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// to is a shadow of all calls, with middleware on the way.
func to(service string, ms ...enmesh.Middleware) route.Shadow {
	return route.Shadow{Share: route.Million, Route: &enmesh.Route{
		Name: service, Destination: enmesh.Destination{Service: service}, Next: enmesh.Chain(ms...)(enmesh.Send),
	}}
}

// only does what it is told with copies, and answers calls.
func only(step enmeshtest.Step) enmeshtest.Step {
	return func(ctx context.Context, c *enmesh.Call) error {
		if c.Service == "shadow" {
			return step(ctx, c)
		}
		return nil
	}
}

// call makes one call to a, through a mirror.
func callThrough(t testing.TB, step enmeshtest.Step, ms ...enmesh.Middleware) error {
	t.Helper()
	w := enmeshtest.NewWire(only(step))
	w.Call().Service, w.Call().Authority, w.Call().Protocol = "a", "a:80", enmesh.GRPC
	return w.Do(t.Context(), enmesh.Fixed(true, ms...))
}

func TestMirror_hangsAndEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mirrorFor(t, route.MirrorConfig{Timeout: time.Second})
		var ended atomic.Pointer[enmesh.Error]
		start := time.Now()
		err := callThrough(t, func(ctx context.Context, c *enmesh.Call) error {
			<-ctx.Done()
			ended.Store(c.EndOf(ctx))
			return ended.Load()
		}, m.Middleware(to("shadow")))
		if err != nil || time.Since(start) != 0 {
			t.Errorf("the caller got %v after %v", err, time.Since(start))
		}
		if got := m.Stats(); got.InFlight != 1 {
			t.Errorf("%+v, want a copy in flight", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := m.Stats(); got != (route.MirrorStats{Sent: 1, Failed: 1}) {
			t.Errorf("%+v, want the copy timed out", got)
		}
		if e := ended.Load(); e == nil || e.Policy != "route" || e.Code != enmesh.DeadlineExceeded {
			t.Errorf("the copy ended with %v, want the mirror's timeout", e)
		}
	})
}

func TestMirror_isBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mirrorFor(t, route.MirrorConfig{MaxInFlight: 3, Timeout: time.Second})
		mw := m.Middleware(to("shadow"))
		for range 10 {
			if err := callThrough(t, enmeshtest.Hang(), mw); err != nil {
				t.Error(err)
			}
		}
		if got := m.Stats(); got.InFlight != 3 || got.Busy != 7 {
			t.Errorf("%+v, want 3 copies in flight and 7 calls not mirrored", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if err := callThrough(t, enmeshtest.Answer(nil), mw); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := m.Stats(); got != (route.MirrorStats{Sent: 4, Failed: 3, Busy: 7}) {
			t.Errorf("%+v, want the places free again", got)
		}
	})
}

func TestMirror_whateverGoesWrong(t *testing.T) {
	for name, step := range map[string]enmeshtest.Step{
		"error": enmeshtest.Answer(errors.New("no")),
		"panic": func(context.Context, *enmesh.Call) error { panic("no") },
		"exit":  func(context.Context, *enmesh.Call) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mirrorFor(t, route.MirrorConfig{})
				gate := &enmeshtest.Gate{}
				if err := callThrough(t, step, m.Middleware(to("shadow", enmesh.Guard(gate)))); err != nil {
					t.Errorf("the caller got %v", err)
				}
				synctest.Wait()
				if got := m.Stats(); got != (route.MirrorStats{Sent: 1, Failed: 1}) {
					t.Errorf("%+v, want one copy that failed", got)
				}
				if err := gate.Settled(); err != nil || len(gate.Results()) != 1 {
					t.Errorf("the copy's gate: %v, %d results", err, len(gate.Results()))
				}
			})
		})
	}
}

func TestMirror_copiesOnceHoweverOftenTheCallIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mirrorFor(t, route.MirrorConfig{})
		again := func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				for range 2 {
					_ = next(ctx, c)
					c.Again()
				}
				return next(ctx, c)
			}
		}
		attempts := 0
		count := func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error { attempts = c.Attempt; return next(ctx, c) }
		}
		if err := callThrough(t, enmeshtest.Answer(nil), m.Middleware(to("shadow")), again, count); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := m.Stats(); got.Sent != 1 || attempts != 3 {
			t.Errorf("%d copies of %d attempts, want 1 of 3", got.Sent, attempts)
		}
	})
}

func TestMirror_whatACopyIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mirrorFor(t, route.MirrorConfig{})
		type key struct{}
		for authority, want := range map[string]string{
			"a": "a-shadow", "a:80": "a-shadow:80", "[::1]": "[::1]-shadow", "[::1]:80": "[::1]-shadow:80", "": "-shadow",
		} {
			w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
				if c.Service != "shadow" {
					return nil
				}
				if c.Authority != want || c.Attempt != 1 || c.HasTried() || c.Route.Name != "shadow" || c.Port != 90 || c.Path != "/x" {
					t.Errorf("the copy of %q is %q, attempt %d, route %q, port %d", authority, c.Authority, c.Attempt, c.Route.Name, c.Port)
				}
				for name, want := range map[string]string{
					"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00", "x-b3-sampled": "0", "b3": "1-2-0-3", "x-own": "1",
				} {
					if got := c.Header.Get(name); got != want {
						t.Errorf("the copy has %s %q, want %q", name, got, want)
					}
				}
				if ctx.Value(key{}) != nil || enmesh.FromContext(ctx) != c {
					t.Error("the copy runs under the caller's context")
				}
				return nil
			})
			c := w.Call()
			c.Service, c.Authority, c.Port, c.Path = "a", authority, 90, "/x"
			c.Header = enmeshtest.Header{}
			for name, value := range map[string]string{
				"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", "x-b3-sampled": "1", "b3": "1-2-1-3", "x-own": "1",
			} {
				c.Header.Set(name, value)
			}
			ctx := context.WithValue(t.Context(), key{}, 1)
			if err := w.Do(ctx, enmesh.Fixed(true, m.Middleware(to("shadow")))); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			w.Finish(nil)
			if c.Authority != authority || c.Header.Get("b3") != "1-2-1-3" || c.HasTried() {
				t.Errorf("the call itself is changed: %q, %v", c.Authority, c.Header)
			}
		}
	})
}

func TestMirror_shares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mirrorFor(t, route.MirrorConfig{})
		drawn := uint32(0)
		route.SetDraw(m, func(n uint32) uint32 { drawn = (drawn + n/10) % n; return drawn })
		tenth, most := to("shadow"), to("shadow")
		tenth.Share, most.Share = route.Million/10, route.Million*9/10
		mw := m.Middleware(tenth)
		for range 100 {
			_ = callThrough(t, enmeshtest.Answer(nil), mw)
			synctest.Wait()
		}
		if got := m.Stats().Sent; got != 10 {
			t.Errorf("%d copies of 100 calls at 10%%", got)
		}
		mw = m.Middleware(most, to("shadow"))
		for range 100 {
			_ = callThrough(t, enmeshtest.Answer(nil), mw)
			synctest.Wait()
		}
		if got := m.Stats().Sent; got != 10+90+100 {
			t.Errorf("%d copies, want 200", got)
		}
		off := to("shadow")
		off.Share = 0
		if m.Middleware(off) != nil || m.Middleware() != nil {
			t.Error("a share of nothing has a middleware")
		}
	})
}

func TestMirror_notCopied(t *testing.T) {
	m := mirrorFor(t, route.MirrorConfig{})
	w := enmeshtest.NewWire()
	w.Once = true
	if err := w.Do(t.Context(), enmesh.Fixed(true, m.Middleware(to("shadow")))); err != nil {
		t.Error(err)
	}
	w.Finish(nil)
	if got := m.Stats(); got != (route.MirrorStats{Uncopied: 1}) || w.Sent() != 1 {
		t.Errorf("%+v and %d sent, want the call alone", got, w.Sent())
	}
}

func TestMirror_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mirrorFor(t, route.MirrorConfig{Timeout: time.Hour})
		mw := m.Middleware(to("shadow"))
		_ = callThrough(t, enmeshtest.Hang(), mw)
		start := time.Now()
		if err := m.Close(); err != nil || time.Since(start) != 0 || m.Stats().InFlight != 0 {
			t.Errorf("closed with %v after %v, %+v", err, time.Since(start), m.Stats())
		}
		if err := callThrough(t, enmeshtest.Hang(), mw); err != nil || m.Stats().Sent != 1 {
			t.Errorf("after Close: %v, %+v; want the call alone", err, m.Stats())
		}
	})
}

func TestNewMirror_refuses(t *testing.T) {
	for _, cfg := range []route.MirrorConfig{{MaxInFlight: -1}, {Timeout: -1}} {
		if _, err := route.NewMirror(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// What a rule does not ask for costs nothing, and the rest little.
func TestActions_allocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	none, err := route.Rewrite{}.Middleware(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := mirrorFor(t, route.MirrorConfig{})
	rare := to("shadow")
	rare.Share = 1
	route.SetDraw(m, func(n uint32) uint32 { return n - 1 })
	answered := func(context.Context, *enmesh.Call) error { return nil }
	for name, tt := range map[string]struct {
		mw   enmesh.Middleware
		most float64
	}{
		"nothing":             {enmesh.Chain(none, route.EditHeaders(), m.Middleware()), 0},
		"a prefix":            {rewriting(t, route.Rewrite{URI: "/new"}, uri(route.Prefix("/old"))), 1},
		"a whole path":        {rewriting(t, route.Rewrite{URI: "/new"}, uri(route.Exact("/old/x"))), 0},
		"an authority":        {rewriting(t, route.Rewrite{Authority: "b"}, route.Match{}), 0},
		"a mirror, not drawn": {m.Middleware(rare), 0},
		"a direct answer":     {direct(t, route.Direct{Status: 503, Body: "closed"}), 1},
	} {
		next := tt.mw(answered)
		c := &enmesh.Call{Header: metadata{}}
		if got := testing.AllocsPerRun(100, func() {
			c.Path = "/old/x"
			_ = next(context.Background(), c)
		}); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tt.most)
		}
	}
}

func rewriting(t testing.TB, r route.Rewrite, m route.Match) enmesh.Middleware {
	t.Helper()
	mw, err := r.Middleware(mustCompile(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return mw
}

func direct(t testing.TB, d route.Direct) enmesh.Middleware {
	t.Helper()
	mw, err := d.Middleware(route.Ops{})
	if err != nil {
		t.Fatal(err)
	}
	return mw
}

func TestMirror_conform(t *testing.T) {
	elsewhere := route.Shadow{Share: route.Million, Route: &enmesh.Route{
		Name: "shadow", Next: func(context.Context, *enmesh.Call) error { return nil },
	}}
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware { // one for each of the kit's bubbles
		m, err := route.NewMirror(route.MirrorConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return m.Middleware(elsewhere)
	})
}
