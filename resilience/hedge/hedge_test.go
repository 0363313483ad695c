// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/hedge"
)

func mustNew(tb testing.TB, cfg hedge.Config) enmesh.Middleware {
	tb.Helper()
	m, err := hedge.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// purse is a budget of a fixed size.
type purse struct {
	mu             sync.Mutex // guards what follows
	left, refunded int
}

func (p *purse) Take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return false
	}
	p.left--
	return true
}

func (p *purse) Refund() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left++
	p.refunded++
}

// notes counts decisions.
type notes struct {
	mu  sync.Mutex // guards all
	all map[enmesh.Decision]int
}

func (n *notes) Record(_ *enmesh.Call, d enmesh.Decision) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[enmesh.Decision]int{}
	}
	n.all[d]++
}

// after answers in that time, with err or success, unless it is cancelled.
func after(d time.Duration, err error) enmeshtest.Step {
	return func(ctx context.Context, c *enmesh.Call) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return c.EndOf(ctx)
		}
	}
}

var (
	errFar    = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	errOther  = &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}
	errNever  = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, RetryAfter: -1}
	errSoon   = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, RetryAfter: 500 * time.Millisecond}
	errMine   = &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral, Status: 404}
	errOpen   = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Policy: "breaker"}
	errPanics = errors.New("scripted")
)

const ms = time.Millisecond

// Every way in which two attempts can end.
func TestHedge_whoWins(t *testing.T) {
	panics := func(context.Context, *enmesh.Call) error { panic(errPanics) }
	for _, tt := range []struct {
		name  string
		cfg   hedge.Config
		steps []enmeshtest.Step
		setup func(*enmeshtest.Wire)
		limit time.Duration
		want  error
		sent  int
		took  time.Duration
	}{
		{name: "in time", steps: []enmeshtest.Step{after(50*ms, nil)}, sent: 1, took: 50 * ms},
		{name: "the hedge", steps: []enmeshtest.Step{after(time.Hour, nil), after(50*ms, nil)}, sent: 2, took: 150 * ms},
		{name: "the first, although hedged", steps: []enmeshtest.Step{after(150*ms, nil), after(time.Hour, nil)}, sent: 2, took: 150 * ms},
		{name: "the first fails before there is a hedge", steps: []enmeshtest.Step{after(50*ms, errFar)}, sent: 1, want: errFar, took: 50 * ms},
		{name: "the first fails, the hedge is waited for", steps: []enmeshtest.Step{after(150*ms, errFar), after(200*ms, nil)}, sent: 2, took: 300 * ms},
		{name: "the hedge fails, the first goes on", steps: []enmeshtest.Step{after(time.Second, nil), after(50*ms, errFar)}, sent: 2, took: time.Second},
		{name: "the hedge is refused, the first goes on", steps: []enmeshtest.Step{after(time.Second, nil), after(0, errOpen)}, sent: 2, took: time.Second},
		{name: "the hedge panics, the first goes on", steps: []enmeshtest.Step{after(time.Second, nil), panics}, sent: 2, took: time.Second},
		{name: "the first panics, the hedge is waited for", steps: []enmeshtest.Step{func(ctx context.Context, c *enmesh.Call) error {
			_ = after(150*ms, nil)(ctx, c)
			panic(errPanics)
		}, after(100*ms, nil)}, sent: 2, took: 200 * ms},
		{name: "it panics alone", steps: []enmeshtest.Step{panics}, sent: 1, want: errPanics},
		{name: "both fail: the first's error", steps: []enmeshtest.Step{after(200*ms, errFar), after(50*ms, errOther)}, sent: 2, want: errFar, took: 200 * ms},
		{name: "both fail, the first before the hedge", steps: []enmeshtest.Step{after(110*ms, errFar), after(50*ms, errOther)}, sent: 2, want: errFar, took: 150 * ms},
		{name: "the caller's own fault is final", steps: []enmeshtest.Step{after(150*ms, errMine), after(time.Hour, nil)}, sent: 2, want: errMine, took: 150 * ms},
		{name: "three at once", cfg: hedge.Config{MaxHedges: 2}, steps: []enmeshtest.Step{after(time.Hour, nil), after(time.Hour, nil), after(50*ms, nil)}, sent: 3, took: 250 * ms},
		{name: "no more is wanted", cfg: hedge.Config{MaxHedges: 5}, steps: []enmeshtest.Step{after(time.Second, nil), after(0, errNever)}, sent: 2, took: time.Second},
		{name: "the next is wanted later", cfg: hedge.Config{MaxHedges: 2}, steps: []enmeshtest.Step{after(time.Hour, nil), after(0, errSoon), after(0, nil)}, sent: 3, took: 600 * ms},
		{name: "not idempotent", setup: func(w *enmeshtest.Wire) { w.Call().Idempotent = false }, steps: []enmeshtest.Step{after(time.Second, nil)}, sent: 1, took: time.Second},
		{name: "one body", setup: func(w *enmeshtest.Wire) { w.Once = true }, steps: []enmeshtest.Step{after(time.Second, nil)}, sent: 1, took: time.Second},
		{name: "bidi", setup: func(w *enmeshtest.Wire) { w.Call().Kind = enmesh.Bidi }, steps: []enmeshtest.Step{after(time.Second, nil)}, sent: 1, took: time.Second},
		{name: "unary gRPC", setup: func(w *enmeshtest.Wire) { w.Call().Protocol = enmesh.GRPC }, steps: []enmeshtest.Step{after(time.Hour, nil), after(50*ms, nil)}, sent: 2, took: 150 * ms},
		{name: "the budget is empty", cfg: hedge.Config{Budget: &purse{}, MaxHedges: 3}, steps: []enmeshtest.Step{after(time.Second, nil)}, sent: 1, took: time.Second},
		{name: "the caller's deadline", limit: 300 * ms, steps: []enmeshtest.Step{enmeshtest.Hang()}, sent: 2, want: enmesh.ErrDeadline, took: 300 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.limit)
					defer cancel()
				}
				tt.cfg.Delay = 100 * ms
				gate := &enmeshtest.Gate{}
				w := enmeshtest.NewWire(tt.steps...)
				w.Call().Idempotent = true
				if tt.setup != nil {
					tt.setup(w)
				}
				begun := time.Now()
				err := w.Do(ctx, enmesh.Fixed(true, mustNew(t, tt.cfg), enmesh.Guard(gate)))
				took := time.Since(begun)
				if !errors.Is(err, tt.want) || w.Sent() != tt.sent || took != tt.took {
					t.Errorf("%v after %v and %d attempts, want %v after %v and %d", err, took, w.Sent(), tt.want, tt.took, tt.sent)
				}
				w.Finish(nil)
				if err := gate.Settled(); err != nil {
					t.Error(err)
				}
				for _, r := range gate.Results() {
					if errors.Is(r.Err, enmesh.ErrLost) && r.Outcome != enmesh.Neutral {
						t.Errorf("a lost attempt is a %v", r.Outcome)
					}
				}
			})
		})
	}
}

// The winner's context lives as long as its answer, and the others end when it has won.
func TestHedge_contexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var won, lost context.Context
		w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
			lost = ctx
			return enmeshtest.Hang()(ctx, c)
		}, func(ctx context.Context, _ *enmesh.Call) error {
			won = ctx
			return nil
		})
		w.Call().Idempotent = true
		if err := w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, hedge.Config{Delay: ms}))); err != nil {
			t.Fatal(err)
		}
		if won.Err() != nil || !errors.Is(context.Cause(lost), enmesh.ErrLost) || w.Adopted() != 1 {
			t.Errorf("winner %v, loser %v, %d adopted; want none, lost, 1", won.Err(), context.Cause(lost), w.Adopted())
		}
		w.Finish(nil)
		if won.Err() == nil {
			t.Error("the winner's context outlives the call")
		}
	})
}

// Without a Delay nothing is hedged until enough is known; then at the percentile.
func TestHedge_percentile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := enmesh.Fixed(true, mustNew(t, hedge.Config{Percentile: 0.9, MinSamples: 50}))
		try := func(first time.Duration) (*enmeshtest.Wire, time.Duration) {
			w := enmeshtest.NewWire(after(first, nil), after(0, nil))
			w.Call().Idempotent = true
			begun := time.Now()
			if err := w.Do(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			w.Finish(nil)
			return w, time.Since(begun)
		}
		for i := range 50 {
			if w, _ := try(time.Duration(i) * ms); w.Sent() != 1 {
				t.Fatalf("call %d was hedged: too few are known", i)
			}
		}
		if w, took := try(time.Hour); w.Sent() != 2 || took < 44*ms || took > 50*ms {
			t.Errorf("%d attempts in %v, want 2 and the 90th percentile, 44 ms", w.Sent(), took)
		}
		time.Sleep(time.Minute)
		if w, _ := try(time.Second); w.Sent() != 1 {
			t.Error("hedged by what is no longer known")
		}
	})
}

func TestHedge_deadlineTooNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := enmesh.Fixed(true, mustNew(t, hedge.Config{MinSamples: 10, Percentile: 0.9}))
		try := func(took, limit time.Duration) int {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			w := enmeshtest.NewWire(after(took, nil))
			w.Call().Idempotent = true
			_ = w.Do(ctx, r)
			w.Finish(nil)
			return w.Sent()
		}
		for range 20 {
			try(100*ms, time.Second)
		}
		if got := try(time.Minute, 150*ms); got != 1 {
			t.Errorf("%d attempts with half the median left, want 1", got)
		}
		if got := try(time.Minute, 250*ms); got != 2 {
			t.Errorf("%d attempts with more than the median left, want 2", got)
		}
	})
}

func TestHedge_shadowAndRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &notes{}
		for _, cfg := range []hedge.Config{
			{Delay: ms, Recorder: seen},
			{Delay: ms, Recorder: seen, Shadow: true},
			{Delay: ms, Recorder: seen, Budget: &purse{}},
		} {
			w := enmeshtest.NewWire(after(time.Second, nil))
			w.Call().Idempotent = true
			_ = w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, cfg)))
			w.Finish(nil)
			if want := 2; cfg.Shadow && w.Sent() != 1 || cfg.Budget == nil && !cfg.Shadow && w.Sent() != want {
				t.Errorf("%+v: sent %d", cfg, w.Sent())
			}
		}
		for _, d := range []enmesh.Decision{
			{Policy: "hedge", Action: enmesh.ActionHedge},
			{Policy: "hedge", Action: enmesh.ActionHedge, Shadow: true},
			{Policy: "hedge", Action: enmesh.ActionRefuse},
		} {
			if seen.all[d] != 1 {
				t.Errorf("%+v was recorded %d times, want once", d, seen.all[d])
			}
		}
	})
}

func TestHedge_refusesBadConfigs(t *testing.T) {
	for name, cfg := range map[string]hedge.Config{
		"Delay":      {Delay: -1},
		"Percentile": {Percentile: 1},
		"MinSamples": {MinSamples: -1},
		"Window":     {Window: ms},
		"MaxHedges":  {MaxHedges: 11},
	} {
		if _, err := hedge.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "hedge: "+name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHedge_conforms(t *testing.T) {
	for name, cfg := range map[string]hedge.Config{
		"at once": {Delay: 1, MaxHedges: 3}, "soon": {Delay: 500 * ms}, "never": {}, "shadow": {Delay: 1, Shadow: true},
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
				m := mustNew(t, cfg)
				return func(next enmesh.Next) enmesh.Next {
					hedged := m(next)
					return func(ctx context.Context, c *enmesh.Call) error {
						c.Idempotent = true
						return hedged(ctx, c)
					}
				}
			})
		})
	}
}

func TestHedge_costsNothingWhereItDoesNotApply(t *testing.T) {
	next := mustNew(t, hedge.Config{Delay: time.Second})(func(context.Context, *enmesh.Call) error { return nil })
	c, ctx := &enmesh.Call{}, context.Background()
	if n := testing.AllocsPerRun(1000, func() { _ = next(ctx, c) }); n != 0 {
		t.Errorf("a call that is not idempotent costs %v allocations, want 0", n)
	}
}

func BenchmarkHedge(b *testing.B) {
	for name, idempotent := range map[string]bool{"passed": false, "in time": true} {
		b.Run(name, func(b *testing.B) {
			r := enmesh.Fixed(true, mustNew(b, hedge.Config{Delay: time.Hour}))
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				w := enmeshtest.NewWire()
				w.Call().Idempotent, w.Call().Protocol = idempotent, enmesh.GRPC
				_ = w.Do(ctx, r)
			}
		})
	}
}
