// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
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
// endpoint's gate.
const (
	chainTime   = 500 * time.Nanosecond
	chainAllocs = 2 // the call's record, and the closure of the breaker's library
)

// unwired is an adapter's record of a call, with a wire that answers at once.
type unwired struct {
	enmesh.Carrier
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
	x.Call.Service = service
	x.Enter(r)
	err := x.Run()
	x.End(err, x.Call.Clock)
	return err
}

//go:noinline
func answer(context.Context) error { return nil }

// chain is the whole chain as a function, each call with a record of its own.
func chain(tb testing.TB) func(context.Context) error {
	tb.Helper()
	circuit, err := breaker.New(breaker.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	inFlight, err := concurrency.NewFixed(concurrency.Config{Max: 1024})
	if err != nil {
		tb.Fatal(err)
	}
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
	router := enmesh.Fixed(false, enmesh.Guard(circuit), enmesh.Guard(inFlight))
	return func(ctx context.Context) error {
		x := &unwired{picker: cluster.Picker()}
		return x.call(ctx, router)
	}
}

func BenchmarkChain(b *testing.B) {
	for name, call := range map[string]func(context.Context) error{"bare": answer, "chain": chain(b)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestChain_costs(t *testing.T) {
	call, ctx := chain(t), t.Context()
	if got := testing.AllocsPerRun(1000, func() { _ = call(ctx) }); got > chainAllocs {
		t.Errorf("the chain costs %v allocations, want at most %d", got, chainAllocs)
	}
	if raceEnabled {
		return
	}
	// The shortest of many: what is longer, other programs have added.
	cost := func(call func(context.Context) error) time.Duration {
		const calls = 2000
		shortest := time.Hour
		for range 200 {
			begun := time.Now()
			for range calls {
				_ = call(ctx)
			}
			shortest = min(shortest, time.Since(begun)/calls)
		}
		return shortest
	}
	bare, whole := cost(answer), cost(call)
	t.Logf("bare %v, with the chain %v", bare, whole)
	if added := whole - bare; added > chainTime {
		t.Errorf("the chain adds %v to a call, want at most %v", added, chainTime)
	}
}
