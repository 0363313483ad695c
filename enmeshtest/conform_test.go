// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// counter is a gate that does nothing wrong.
type counter struct{}

func (counter) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) { return enmesh.Token{}, nil }
func (counter) Done(enmesh.Token, enmesh.Result)                          {}

func TestConformance_goodPolicies(t *testing.T) {
	t.Run("gate", func(t *testing.T) {
		enmeshtest.TestGate(t, func() enmesh.Gate { return counter{} })
	})
	t.Run("chain", func(t *testing.T) {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return enmesh.Chain() })
	})
	t.Run("recover", func(t *testing.T) {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return enmesh.Recover(nil) })
	})
	t.Run("race", func(t *testing.T) {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return enmeshtest.Race(2) })
	})
	t.Run("again", func(t *testing.T) {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return once })
	})
}

// once sends a failed call once more.
func once(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		err := next(ctx, c)
		if err != nil && ctx.Err() == nil && c.Repeatable(err) && c.Again() {
			return next(ctx, c)
		}
		return err
	}
}

func TestGate_tellsWhatIsOpen(t *testing.T) {
	g := &enmeshtest.Gate{}
	first, err := g.Admit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if g.Open() != 1 || g.Settled() == nil {
		t.Errorf("after Admit: open %d, settled %v; want 1 and an error", g.Open(), g.Settled())
	}
	g.Done(first, enmesh.Result{})
	if g.Open() != 0 || g.Settled() != nil {
		t.Errorf("after Done: open %d, settled %v; want 0 and nil", g.Open(), g.Settled())
	}
	g.Done(first, enmesh.Result{})
	if g.Settled() == nil {
		t.Error("a second Done was not noticed")
	}
}
