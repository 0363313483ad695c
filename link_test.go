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
