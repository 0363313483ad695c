// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// What the neutral chain may cost: two guards, a pick among 100 endpoints, and an
// endpoint's gate. The target is 500 ns a call, by BenchmarkChain, collector included;
// the limit is what a test can hold on a machine that others use as well.
const (
	chainLimit  = time.Microsecond
	chainAllocs = 1 // none, but where the collector has emptied the pool of records
)

// unwired is an adapter's record of a call, with a wire that answers at once.
type unwired struct {
	enmesh.Carrier
	hooks     enmesh.Spare
	picker    balance.Picker
	admission balance.Admission
}

func (x *unwired) Send(ctx context.Context, c *enmesh.Call) error {
	e, err := x.picker.Pick(c)
	if err != nil {
		return err
	}
	now := enmesh.Now()
	x.Picked(e, now)
	if err := e.Admit(ctx, c, now, &x.admission); err != nil {
		return err
	}
	err = answer(ctx)
	end := enmesh.Now()
	x.Answered(end)
	r := c.Result(err)
	r.Ended = end
	x.admission.Release(r)
	return err
}

func (x *unwired) Replayable() bool      { return true }
func (x *unwired) Discard()              {}
func (x *unwired) Adopt(enmesh.Exchange) {}
func (x *unwired) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) {
	return nil, enmesh.ErrUnsent
}

// call runs one call through the chain.
func (x *unwired) call(ctx context.Context, r enmesh.Router) error {
	x.Begin(ctx, x)
	x.Lend(&x.hooks)
	x.Call.Service = service
	x.Enter(r)
	err := x.Run()
	x.End(err, x.Call.Clock)
	return err
}

//go:noinline
func answer(context.Context) error { return nil }

// guards are the two guards of a chain: of our own, or with a breaker, which is a
// library's and has a lock and two clock readings of its own.
func guards(tb testing.TB, withBreaker bool) enmesh.Router {
	tb.Helper()
	inFlight, err := concurrency.NewFixed(concurrency.Config{Max: 1024})
	if err != nil {
		tb.Fatal(err)
	}
	if !withBreaker {
		return enmesh.Fixed(false, enmesh.Guard(inFlight), enmesh.Guard(inFlight))
	}
	circuit, err := breaker.New(breaker.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return enmesh.Fixed(false, enmesh.Guard(circuit), enmesh.Guard(inFlight))
}

// chain is the whole chain as a function. Records are used again, as by the adapters.
func chain(tb testing.TB, router enmesh.Router) func(context.Context) error {
	tb.Helper()
	detector := outlier.New(outlier.Default())
	cluster := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.PowerOfTwo(),
		Gates:     func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detector.Gate(e)} },
	})
	var endpoints []discovery.Endpoint
	for i := range 100 {
		endpoints = append(endpoints, endpoint(fmt.Sprintf("10.0.0.%d:80", i+1)))
	}
	cluster.Apply(endpoints)
	return func(ctx context.Context) error {
		x, ok := records.Get().(*unwired)
		if !ok {
			x = new(unwired)
		}
		x.picker = cluster.Picker()
		err := x.call(ctx, router)
		if x.Reusable() {
			*x = unwired{hooks: x.hooks.Emptied()}
			records.Put(x)
		}
		return err
	}
}

// records has those of calls that are over, as both adapters have.
var records sync.Pool // of *unwired

func BenchmarkChain(b *testing.B) {
	for _, bb := range []struct {
		name string
		call func(context.Context) error
	}{{"bare", answer}, {"chain", chain(b, guards(b, false))}, {"breaker", chain(b, guards(b, true))}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bb.call(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestChain_costs(t *testing.T) {
	ctx := t.Context()
	// The shortest of some: what is longer, other programs have added. Each is long
	// enough for several rounds of the garbage collector, so that all have their share.
	cost := func(call func(context.Context) error) time.Duration {
		const calls = 50_000
		shortest := time.Hour
		for range 20 {
			begun := time.Now()
			for range calls {
				_ = call(ctx)
			}
			shortest = min(shortest, time.Since(begun)/calls)
		}
		return shortest
	}
	for _, tt := range []struct {
		name        string
		withBreaker bool
	}{{"two gates of our own", false}, {"a breaker and a gate", true}} {
		call := chain(t, guards(t, tt.withBreaker))
		if got := testing.AllocsPerRun(1000, func() { _ = call(ctx) }); got > chainAllocs {
			t.Errorf("%s: the chain costs %v allocations, want at most %d", tt.name, got, chainAllocs)
		}
		if raceEnabled {
			continue
		}
		added := cost(call) - cost(answer)
		t.Logf("%s: the chain adds %v to a call", tt.name, added)
		if added > chainLimit {
			t.Errorf("%s: the chain adds %v to a call, want at most %v", tt.name, added, chainLimit)
		}
	}
}
