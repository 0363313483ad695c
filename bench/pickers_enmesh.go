// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// ourEndpoints are the endpoints of a cluster.
func ourEndpoints(n int, weight func(int) uint32) []*balance.Endpoint {
	list := make([]discovery.Endpoint, n)
	for i := range list {
		list[i] = discovery.Endpoint{Addrs: []string{address(i)}, Weight: weight(i)}
	}
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(list)
	return c.Set().Endpoints
}

func address(i int) string { return fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255) }

// keyOf is an affinity key that differs from call to call.
func keyOf(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }

// pickOnly measures the pick, as grpc-go's round_robin has nothing to do afterwards, and its
// weighted_round_robin nothing but for a load report.
func pickOnly(a balance.Algorithm, weight func(int) uint32) func(int) (*subject, error) {
	return func(n int) (*subject, error) {
		p := a(ourEndpoints(n, weight))
		return &subject{worker: func() func(int) {
			c := &enmesh.Call{Clock: enmesh.Now()}
			return func(count int) {
				for range count {
					if _, err := p.Pick(c); err != nil {
						panic(err)
					}
				}
			}
		}}, nil
	}
}

// pickAndDone measures a pick, the admission, and the release, which teaches the
// endpoint's latency. Readings of the clock are not part of it: a call has them anyway,
// and grpc-go's pickers are measured without.
func pickAndDone(a balance.Algorithm, weight func(int) uint32) func(int) (*subject, error) {
	return func(n int) (*subject, error) {
		p := a(ourEndpoints(n, weight))
		return &subject{worker: func() func(int) {
			w := &ourWorker{picker: p, call: enmesh.Call{Clock: enmesh.Now()}, step: heard / time.Duration(n)}
			return w.run
		}}, nil
	}
}

// withClock is pickAndDone with the two readings of the clock that a call has.
func withClock(a balance.Algorithm, weight func(int) uint32) func(int) (*subject, error) {
	return func(n int) (*subject, error) {
		p := a(ourEndpoints(n, weight))
		return &subject{worker: func() func(int) {
			w := &ourWorker{picker: p, call: enmesh.Call{Clock: enmesh.Now()}, clock: true}
			return w.run
		}}, nil
	}
}

// ourWorker is one goroutine that calls, and what it needs for that.
type ourWorker struct {
	_         [128]byte // that no two share a cache line
	picker    balance.Picker
	call      enmesh.Call
	admission balance.Admission
	step      time.Duration // from call to call
	clock     bool          // the time is the clock's
	calls     int
	_         [128]byte
}

// heard is how often each endpoint is heard from, whatever their number: what there is to
// learn from a call depends on that.
const heard = 10 * time.Millisecond

func (w *ourWorker) run(count int) {
	ctx, c := context.Background(), &w.call
	for range count {
		w.calls++
		if c.Clock += enmesh.Instant(w.step); w.clock {
			c.Clock = enmesh.Now()
		}
		c.Key = keyOf(w.calls)
		e, err := w.picker.Pick(c)
		if err == nil {
			err = e.Admit(ctx, c, c.Clock, &w.admission)
		}
		if err != nil {
			panic(err)
		}
		took := time.Duration(1+w.calls%7) * time.Millisecond
		if w.clock {
			c.Clock = enmesh.Now()
		}
		end := c.Clock.Add(took)
		w.admission.Release(enmesh.Result{Answered: end, Ended: end})
	}
}
