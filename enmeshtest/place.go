// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// place is an endpoint to pick, with gates of its own: where a gate stands below the pick.
type place struct{ cluster *balance.Cluster }

// newPlace makes an endpoint with these gates, the first outermost.
func newPlace(gates ...enmesh.Gate) *place {
	cluster := balance.NewCluster(balance.ClusterConfig{
		Gates: func(*balance.Endpoint) []enmesh.Gate { return gates },
	})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"a:1"}}})
	return &place{cluster}
}

// admit makes one pick, as an adapter does for each attempt, and passes the gates.
func (p *place) admit(ctx context.Context, c *enmesh.Call) (*balance.Admission, error) {
	e, err := p.cluster.Picker().Pick(c)
	if err != nil {
		return nil, err
	}
	now := enmesh.Now()
	enmesh.CarrierOf(ctx).Picked(e, now)
	a := &balance.Admission{}
	if err := e.Admit(ctx, c, now, a); err != nil {
		return nil, err
	}
	return a, nil
}

// release tells of an ending as gRPC's balancer does, which has no call at hand.
func release(a *balance.Admission, err error, answered enmesh.Instant) {
	a.Release(enmesh.Result{Err: err, Outcome: enmesh.OutcomeOf(err), Answered: answered, Ended: enmesh.Now()})
}

// visit is steps, each for an attempt that was picked to the place, once the picks that s
// throws away were made. A step is taken by who was admitted: the first of two forks that a
// gate refuses must not be the one whose turn it is to answer.
func (p *place) visit(s scenario, steps []Step) []Step {
	var taken atomic.Int64
	turn := func(ctx context.Context, c *enmesh.Call) error {
		return steps[min(int(taken.Add(1)), len(steps))-1](ctx, c)
	}
	return []Step{func(ctx context.Context, c *enmesh.Call) error {
		var late []*balance.Admission
		defer func() {
			for _, a := range late {
				release(a, enmesh.ErrUnsent, 0)
			}
		}()
		for range s.thrown {
			a, err := p.admit(ctx, c)
			if err != nil {
				return err
			}
			if s.late {
				late = append(late, a)
				continue
			}
			release(a, enmesh.ErrUnsent, 0)
		}
		return p.attempt(ctx, c, turn)
	}}
}

// attempt is one that goes on the wire. A failure gives its admission back at once, and so
// does a panic; an answer that runs on does so at its end.
func (p *place) attempt(ctx context.Context, c *enmesh.Call, step Step) error {
	a, err := p.admit(ctx, c)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned {
			release(a, enmesh.ErrPanic, 0)
		}
	}()
	err = step(ctx, c)
	returned = true
	if err != nil {
		release(a, err, 0)
		return err
	}
	answered := enmesh.Now()
	enmesh.CarrierOf(ctx).Answered(answered)
	if !c.Streams() {
		release(a, nil, answered)
		return nil
	}
	c.OnFinish(func(r enmesh.Result) { release(a, r.Err, r.Answered) })
	return nil
}
