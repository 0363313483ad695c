// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// tripKey is how a call is known at every hop: in the context, and in a header between.
type tripKey struct{}

const tripHeader = "X-Trip"

// trip is one call on its way over four hops.
type trip struct {
	deadline time.Time
	left     [4]atomic.Int64 // what each hop was told: nanoseconds; 0: it was not reached
}

// voyage is a chain of four services, each behind the one before.
type voyage struct {
	trips      sync.Map // by id
	begun      atomic.Int64
	late       atomic.Int64 // work begun after the client's deadline
	propagates bool
}

// carries puts the id of the trip into the header.
func carries(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		if id, ok := ctx.Value(tripKey{}).(string); ok {
			c.Header.Set(tripHeader, id)
		}
		return next(ctx, c)
	}
}

// hop works for 10 to 50 ms and asks the next, unless it is the last.
func (v *voyage) hop(n int, next ask) ask {
	return func(ctx context.Context) error {
		id := enmesh.FromContext(ctx).Header.Get(tripHeader)
		found, ok := v.trips.Load(id)
		if !ok {
			return errDown
		}
		tr := found.(*trip)
		v.begun.Add(1)
		if time.Now().After(tr.deadline) {
			v.late.Add(1)
		}
		if deadline, ok := ctx.Deadline(); ok {
			tr.left[n].Store(int64(time.Until(deadline)))
		}
		if !v.propagates {
			ctx = unmarked{context.WithoutCancel(ctx)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10*time.Millisecond + rand.N(40*time.Millisecond)):
		}
		if next == nil {
			return nil
		}
		return next(context.WithValue(ctx, tripKey{}, id))
	}
}

// sail makes the services, last first, and loads the first of them.
func (v *voyage) sail(t *testing.T, last time.Duration) ledger.Report {
	t.Helper()
	var next ask
	hops := []protocol{overHTTP, overGRPC, overHTTP, overGRPC}
	for n := len(hops) - 1; n >= 0; n-- {
		chain := []enmesh.Middleware{carries, timeout.Margin(3 * time.Millisecond)}
		next = hops[n].to(t, chain, hops[n].serve(t, v.hop(n, next)))
	}
	load := ledger.Start(t.Context(), ledger.Config{
		Rate: 100, For: last, Timeout: 100 * time.Millisecond,
		Call: func(ctx context.Context, id string) (string, error) {
			deadline, _ := ctx.Deadline()
			v.trips.Store(id, &trip{deadline: deadline})
			return "", next(context.WithValue(ctx, tripKey{}, id))
		},
	})
	r := load.Wait()
	(&lab{t: t}).sleep(200 * time.Millisecond) // what is late comes to its end
	return r
}

// TestScenarioO24_deadlineOverFourHops: a client that waits 100 ms asks over four hops, HTTP and gRPC
// by turns, each of which works for 10 to 50 ms, so that most calls do not arrive. What each hop is told
// that is left decreases from hop to hop, and at most one call in a hundred is worked on after the
// client's deadline, with a margin of 3 ms at each hop. In the control nobody hands the deadline on.
func TestScenarioO24_deadlineOverFourHops(t *testing.T) {
	ledger.Baseline(t)
	control, ours := &voyage{}, &voyage{propagates: true}
	was := control.sail(t, 2*time.Second)
	r := ours.sail(t, 5*time.Second)
	grew, told := 0, 0
	ours.trips.Range(func(_, found any) bool {
		tr := found.(*trip)
		before := int64(100 * time.Millisecond)
		for n := range tr.left {
			left := tr.left[n].Load()
			if left == 0 {
				break
			}
			told++
			if left >= before {
				grew++
			}
			before = left
		}
		return true
	})
	t.Logf("of %d calls %d answered, %d handlers begun, %d of them late; the control: of %d calls %d answered, %d begun, %d late",
		r.Sent, r.OK, ours.begun.Load(), ours.late.Load(), was.Sent, was.OK, control.begun.Load(), control.late.Load())
	if limit := int64(r.Sent) / 100; ours.late.Load() > limit {
		t.Errorf("%d handlers began after the client's deadline, want at most %d", ours.late.Load(), limit)
	}
	if grew != 0 || told < r.Sent {
		t.Errorf("%d of %d hops were told more time than the one before", grew, told)
	}
	if control.late.Load() < int64(was.Sent)/10 {
		t.Errorf("in the control %d of %d handlers began late: the test shows nothing", control.late.Load(), control.begun.Load())
	}
	if r.Lost == 0 || r.OK == 0 {
		t.Errorf("%d calls answered and %d not, want some of each", r.OK, r.Lost)
	}
}
