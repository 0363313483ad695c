// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"slices"
	"sync"
)

// attempts is what the attempts of one call share: how many there were, and where
// they went.
type attempts struct {
	mu    sync.Mutex // guards n, tried
	n     int
	tried []Endpoint
}

// next notes where the attempt before went and numbers a new one.
func (a *attempts) next(before Endpoint) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(before)
	a.n++
	return a.n
}

func (a *attempts) note(e Endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(e)
}

func (a *attempts) add(e Endpoint) {
	if e != nil && !slices.Contains(a.tried, e) {
		a.tried = append(a.tried, e)
	}
}

func (a *attempts) has(e Endpoint) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.tried, e)
}

// Fork makes an attempt that may run at the same time, with a context that carries
// it (in gRPC the balancer finds the Call there, and nowhere else). Each fork is
// given to Adopt or to Drop, exactly once, after its next has returned; the
// context's cancel function is the caller's to make, and a winner's runs when the
// call has finished, not before. Fork fails when the call cannot be sent again.
func (c *Call) Fork(ctx context.Context) (context.Context, *Call, error) {
	if c.attempts == nil {
		c.attempts = &attempts{n: c.Attempt - 1}
	}
	k, err := c.wire.Fork(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	k.Call.Attempt = c.attempts.next(nil)
	return k, &k.Call, nil
}

// Adopt takes the fork's answer, endpoint and end hooks.
func (c *Call) Adopt(winner *Call) {
	c.wire.Adopt(winner.wire)
	head := c.HeadEdit()
	c.Answer, c.rare = winner.Answer, winner.rare
	c.setHead(head)
	c.Endpoint, c.picked = winner.Endpoint, winner.picked
	c.Attempt, c.Clock = winner.Attempt, winner.Clock
	c.answered.Store(winner.answered.Load())
	winner.hooks.move(&c.hooks)
}

// Drop discards a fork: its answer is closed, its hooks hear err ([ErrLost] when
// another attempt won).
func (c *Call) Drop(err error) {
	c.wire.Discard()
	c.carrier.End(err, Now())
	c.carrier.leave(nil)
}
