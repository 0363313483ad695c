// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// linked is an Exchange whose record is used again.
type linked struct {
	bare
	send func(ctx context.Context, c *enmesh.Call) error
}

func (l *linked) Send(ctx context.Context, c *enmesh.Call) error { return l.send(ctx, c) }

func (l *linked) do(ctx context.Context, r enmesh.Router) *enmesh.Link {
	l.k.Begin(ctx, l)
	link := enmesh.NewLink(&l.k)
	l.k.Enter(r)
	err := l.k.RunIn(link)
	l.k.End(err, enmesh.Now())
	return link
}

func TestLink_isTheCallsContextUntilItIsCut(t *testing.T) {
	type key struct{}
	parent := context.WithValue(t.Context(), key{}, "kept")
	var seen context.Context
	l := &linked{send: func(ctx context.Context, c *enmesh.Call) error {
		seen = context.WithoutCancel(ctx)
		if enmesh.FromContext(ctx) != c || enmesh.FromContext(seen) != c {
			t.Error("the call is not found in its context, or not in one derived from it")
		}
		return nil
	}}
	link := l.do(parent, enmesh.Fixed(false))
	if !l.k.Reusable() {
		t.Error("a call that was sent once and has ended is not reusable")
	}
	link.Cut()
	l.k = enmesh.Carrier{}
	if enmesh.FromContext(link) != nil || enmesh.FromContext(seen) != nil {
		t.Error("a cut link still finds a call")
	}
	if link.Value(key{}) != "kept" {
		t.Error("a cut link has lost its parent's values")
	}
}

func TestLink_hidesTheCallAround(t *testing.T) {
	outer := enmeshtest.NewWire(func(ctx context.Context, outside *enmesh.Call) error {
		l := &linked{send: func(context.Context, *enmesh.Call) error { return nil }}
		link := l.do(ctx, enmesh.Fixed(false))
		link.Cut()
		if got := enmesh.FromContext(link); got == outside {
			t.Error("the context of an ended call finds the call around it")
		}
		return nil
	})
	_ = outer.Do(t.Context(), enmesh.Fixed(false))
	outer.Finish(nil)
}

func TestLink_derivedContextsStartNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		l := &linked{send: func(ctx context.Context, _ *enmesh.Call) error {
			_, cancel := context.WithCancel(ctx)
			_ = cancel // a goroutine per child would keep the bubble from ending
			return nil
		}}
		l.do(ctx, enmesh.Fixed(false))
	})
}

func TestReusable_notAfterASecondAttempt(t *testing.T) {
	l := &linked{send: func(_ context.Context, c *enmesh.Call) error {
		if c.Attempt == 1 {
			return errFar
		}
		return nil
	}}
	again := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := next(ctx, c); err == nil || !c.Again() {
				return err
			}
			return next(ctx, c)
		}
	}
	l.do(t.Context(), enmesh.Fixed(true, again))
	if l.k.Reusable() {
		t.Error("a call that was sent twice is reusable: a fork may still know it")
	}
}

func TestReusable_notIfSomebodyKeepsTheCall(t *testing.T) {
	l := &linked{send: func(_ context.Context, c *enmesh.Call) error { c.Keep(); return nil }}
	l.do(t.Context(), enmesh.Fixed(false))
	if l.k.Reusable() {
		t.Error("a call that somebody keeps is reusable")
	}
}

// watch begins a call in a watched link.
func (l *linked) watch(ctx context.Context) *enmesh.WatchedLink {
	l.k.Begin(ctx, l)
	link := new(enmesh.WatchedLink)
	link.Tie(&l.k)
	return link
}

func TestWatchedLink_noticesWhoAsks(t *testing.T) {
	type key struct{}
	for name, tt := range map[string]struct {
		ask     func(ctx context.Context) *enmesh.Call
		unknown bool
	}{
		"nobody":           {func(context.Context) *enmesh.Call { return nil }, true},
		"for another key":  {func(ctx context.Context) *enmesh.Call { _ = ctx.Value(key{}); return nil }, true},
		"in it":            {enmesh.FromContext, false},
		"in a derived one": {func(ctx context.Context) *enmesh.Call { return enmesh.FromContext(context.WithoutCancel(ctx)) }, false},
	} {
		l := &linked{}
		link := l.watch(t.Context())
		if got := tt.ask(link); got != nil && got != &l.k.Call {
			t.Errorf("%s: found the call %p, want %p", name, got, &l.k.Call)
		}
		if got := link.Cut(); got != tt.unknown {
			t.Errorf("%s: cut says unknown %t, want %t", name, got, tt.unknown)
		}
		if enmesh.FromContext(link) != nil {
			t.Errorf("%s: a cut link still finds a call", name)
		}
	}
}

// Whoever finds the call as the link is cut is always noticed.
func TestWatchedLink_askedAndCutAtOnce(t *testing.T) {
	found, missed := 0, 0
	for range 20_000 {
		l := &linked{}
		link := l.watch(context.Background())
		got := make(chan *enmesh.Call)
		go func() { got <- enmesh.FromContext(link) }()
		unknown := link.Cut()
		if c := <-got; c != nil {
			found++
			if unknown {
				t.Fatal("the call was found, and the cut says that nobody knows it")
			}
		} else {
			missed++
		}
	}
	t.Logf("found %d times, missed %d times", found, missed)
}
