// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// many is a rate, and a number of units, that no loop here uses up.
const many = 1_000_000_000

// allower is a limit that reads the clock itself.
type allower interface{ Allow() bool }

func allowing[L allower](l L, err error) (*subject, error) {
	if err != nil {
		return nil, err
	}
	l.Allow() // where only one may go, it has gone
	return ask(l.Allow), nil
}

func ourTokenBucket(refuse bool) func() (*subject, error) {
	cfg := limit.Config{Rate: many, Burst: many}
	if refuse {
		cfg = limit.Config{Rate: 0.001, Burst: 1}
	}
	return func() (*subject, error) { return allowing(limit.NewTokenBucket(cfg)) }
}

func ourFixedWindow(refuse bool) func() (*subject, error) {
	cfg := limit.FixedConfig{Limit: many, Window: time.Second}
	if refuse {
		cfg = limit.FixedConfig{Limit: 1, Window: 30 * 24 * time.Hour}
	}
	return func() (*subject, error) { return allowing(limit.NewFixedWindow(cfg)) }
}

func ourSlidingCounter(refuse bool) func() (*subject, error) {
	cfg := limit.CounterConfig{Limit: many, Window: time.Second}
	if refuse {
		cfg = limit.CounterConfig{Limit: 1, Window: time.Hour}
	}
	return func() (*subject, error) { return allowing(limit.NewSlidingCounter(cfg)) }
}

// ourSlidingLog admits while the log is thrown away as fast as it grows.
func ourSlidingLog(refuse bool) func() (*subject, error) {
	cfg := limit.LogConfig{Limit: 1_000_000, Window: time.Millisecond}
	if refuse {
		cfg = limit.LogConfig{Limit: 1, Window: time.Hour}
	}
	return func() (*subject, error) { return allowing(limit.NewSlidingLog(cfg)) }
}

func ourLeakyBucket(refuse bool) func() (*subject, error) {
	cfg := limit.LeakyConfig{Rate: many, Queue: 1000}
	patience := time.Microsecond // two that come at the same moment
	if refuse {
		cfg, patience = limit.LeakyConfig{Rate: 0.001, Queue: -1}, 0
	}
	return func() (*subject, error) {
		b, err := limit.NewLeakyBucket(cfg)
		if err != nil {
			return nil, err
		}
		allow := func() bool {
			_, ok := b.ReserveAt(enmesh.Now(), 1, patience)
			return ok
		}
		allow()
		return ask(allow), nil
	}
}

// gated is a gate between its admission and its end, with a reading of the clock if the
// gate asks for one.
func gated(g enmesh.Gate, reads bool) *subject {
	return &subject{worker: func() loop {
		ctx, c := context.Background(), &enmesh.Call{Side: enmesh.Server, Clock: enmesh.Now()}
		return repeat(func() bool {
			if reads {
				c.Clock = enmesh.Now()
			}
			token, err := g.Admit(ctx, c)
			if err != nil {
				return false
			}
			end := c.Clock.Add(time.Millisecond)
			g.Done(token, enmesh.Result{Outcome: enmesh.Success, Answered: end, Ended: end})
			return true
		})
	}}
}

func ourFixed(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		f, err := concurrency.NewFixed(concurrency.Config{Max: 1000})
		if err != nil {
			return nil, err
		}
		return gated(f, false), fill(f, refuse, 1000)
	}
}

func ourAdaptive(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		a, err := concurrency.NewAdaptive(concurrency.AdaptiveConfig{})
		if err != nil {
			return nil, err
		}
		return gated(a, true), fill(a, refuse, a.Limit())
	}
}

// fill has n calls stay, so that none is admitted any more.
func fill(g enmesh.Gate, refuse bool, n int64) error {
	if !refuse {
		return nil
	}
	for range n {
		if _, err := g.Admit(context.Background(), &enmesh.Call{Side: enmesh.Server, Clock: enmesh.Now()}); err != nil {
			return err
		}
	}
	return nil
}

// ourShedder looks at the processor as it does in a program. It refuses when as many calls
// run as may.
func ourShedder(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		s, err := shed.New(shed.Config{Source: idle{}, InFlight: 1000})
		if err != nil {
			return nil, err
		}
		g := gated(s, true)
		g.close = func() { _ = s.Close() }
		return g, fill(s, refuse, 1000)
	}
}

// idle is a processor with nothing to do.
type idle struct{}

func (idle) Load() shed.Load { return shed.Load{} }
