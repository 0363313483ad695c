// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// word is a gate of one word.
type word struct{ open int }

func (w *word) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	w.open++
	return enmesh.Token{N: uint64(w.open)}, nil
}
func (w *word) Done(enmesh.Token, enmesh.Result) { w.open-- }

// bare is the smallest Exchange: what a chain costs without a kit around it.
type bare struct {
	k     enmesh.Carrier
	spare enmesh.Spare
}

func (b *bare) Send(context.Context, *enmesh.Call) error { return nil }
func (b *bare) Replayable() bool                         { return true }
func (b *bare) Discard()                                 {}
func (b *bare) Adopt(enmesh.Exchange)                    {}
func (b *bare) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) {
	return nil, context.Canceled
}

func (b *bare) do(ctx context.Context, r enmesh.Router) error {
	b.k.Begin(ctx, b)
	b.k.Lend(&b.spare)
	b.k.Enter(r)
	err := b.k.Run()
	b.k.End(err, enmesh.Now())
	return err
}

func TestGuard_allocatesNothingUntilThereAreMany(t *testing.T) {
	g := &word{}
	ctx := context.Background()
	for guards, want := range map[int]float64{1: 1, 3: 1, 4: 3} { // the record; beyond three, a list
		ms := []enmesh.Middleware{enmesh.Recover(nil)}
		for range guards {
			ms = append(ms, enmesh.Guard(g))
		}
		r := enmesh.Fixed(false, ms...)
		if got := testing.AllocsPerRun(1000, func() { _ = new(bare).do(ctx, r) }); got > want {
			t.Errorf("%d guards: %v allocations a call, want %v", guards, got, want)
		}
	}
	if g.open != 0 {
		t.Errorf("%d calls still open", g.open)
	}
}

func TestGuard_failureSettlesBeforeTheNextAttempt(t *testing.T) {
	gate := &enmeshtest.Gate{}
	w := enmeshtest.NewWire(enmeshtest.Answer(errFar), enmeshtest.Answer(nil))
	again := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			if gate.Open() != 0 {
				t.Error("the first attempt has not settled when its error is there")
			}
			if err == nil || !c.Again() {
				return err
			}
			return next(ctx, c)
		}
	}
	if err := w.Do(t.Context(), enmesh.Fixed(true, again, enmesh.Guard(gate))); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
	got := gate.Outcomes()
	if len(got) != 2 || got[0] != enmesh.Failure || got[1] != enmesh.Success {
		t.Errorf("outcomes %v, want [failure success]", got)
	}
}

func TestGuard_panicGoesOn(t *testing.T) {
	gate := &enmeshtest.Gate{}
	w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { panic("boom") })
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want boom", got)
			}
		}()
		_ = w.Do(t.Context(), enmesh.Fixed(false, enmesh.Guard(gate)))
	}()
	if err := gate.Settled(); err != nil {
		t.Error(err)
	}
	if got := gate.Outcomes(); len(got) != 1 || got[0] != enmesh.Failure {
		t.Errorf("outcomes %v, want [failure]", got)
	}
}

func TestRecover_makesAnError(t *testing.T) {
	w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { panic("boom") })
	err := w.Do(t.Context(), enmesh.Fixed(false, enmesh.Recover(nil)))
	if enmesh.CodeOf(err) != enmesh.Internal || enmesh.OutcomeOf(err) != enmesh.Failure {
		t.Errorf("got %v, want INTERNAL, failure", err)
	}
	pass := func(v any) bool { return v == "boom" }
	defer func() {
		if recover() == nil {
			t.Error("a panic that pass accepts did not go on")
		}
	}()
	_ = w.Do(t.Context(), enmesh.Fixed(false, enmesh.Recover(pass)))
}

func BenchmarkGuard(b *testing.B) {
	g := &word{}
	r := enmesh.Fixed(false, enmesh.Guard(g), enmesh.Guard(g))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_ = new(bare).do(ctx, r)
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		_ = enmesh.Now()
	}
}
