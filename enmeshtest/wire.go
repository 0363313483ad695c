// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/enmesh-go/enmesh"
)

// Step is what the far side does with one attempt.
type Step func(ctx context.Context, c *enmesh.Call) error

// Wire is a far side that follows a script: attempt n is answered by step n, and
// the last step by itself from then on. It implements [enmesh.Exchange]. Forks
// share the script and the counts.
type Wire struct {
	// Once makes the call one that cannot be sent again.
	Once bool

	shared  *script
	carrier enmesh.Carrier
	hooks   enmesh.Spare
}

// script is what a Wire shares with its forks.
type script struct {
	mu        sync.Mutex // guards what follows
	steps     []Step
	sent      int
	discarded int
	adopted   int
}

// NewWire makes a Wire that follows steps; with none it answers success.
func NewWire(steps ...Step) *Wire {
	if len(steps) == 0 {
		steps = []Step{Answer(nil)}
	}
	return &Wire{shared: &script{steps: steps}}
}

// Answer is the Step that answers at once, with err or success.
func Answer(err error) Step {
	return func(context.Context, *enmesh.Call) error { return err }
}

// Hang is the Step that never answers: it ends with its context.
func Hang() Step {
	return func(ctx context.Context, c *enmesh.Call) error {
		<-ctx.Done()
		return c.EndOf(ctx)
	}
}

// Call is the call that the Wire carries, for a test to describe before [Wire.Do].
func (w *Wire) Call() *enmesh.Call { return &w.carrier.Call }

// Do runs the call through r's route, as an adapter would. The call ends with the
// chain, except where it succeeds and its answer runs on ([enmesh.Call.Streams],
// which a zero Call does): then [Wire.Finish] ends it.
func (w *Wire) Do(ctx context.Context, r enmesh.Router) error {
	w.carrier.Begin(ctx, w)
	w.carrier.Lend(&w.hooks)
	if w.carrier.Call.Header == nil {
		w.carrier.Call.Header = Header{}
	}
	w.carrier.Enter(r)
	err := w.carrier.Run()
	if err != nil || !w.carrier.Call.Streams() {
		w.Finish(err)
	}
	return err
}

// Finish ends the answer: err is nil for a body read to its end.
func (w *Wire) Finish(err error) { w.carrier.End(err, enmesh.Now()) }

// Sent is how many attempts were made, forks included.
func (w *Wire) Sent() int {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	return w.shared.sent
}

// Discarded is how many answers were dropped.
func (w *Wire) Discarded() int {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	return w.shared.discarded
}

// Adopted is how many forks' answers were taken.
func (w *Wire) Adopted() int {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	return w.shared.adopted
}

// Send answers one attempt by the script.
func (w *Wire) Send(ctx context.Context, c *enmesh.Call) error {
	w.shared.mu.Lock()
	step := w.shared.steps[min(w.shared.sent, len(w.shared.steps)-1)]
	w.shared.sent++
	w.shared.mu.Unlock()
	err := step(ctx, c)
	if c.Endpoint == nil && err == nil {
		w.carrier.Answered(enmesh.Now())
	}
	return err
}

// Replayable is true unless Once.
func (w *Wire) Replayable() bool { return !w.Once }

// Discard counts.
func (w *Wire) Discard() {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	w.shared.discarded++
}

// Fork makes a Wire that shares the script.
func (w *Wire) Fork(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	if w.Once {
		return nil, errOnce
	}
	fork := &Wire{shared: w.shared}
	fork.carrier.Branch(ctx, fork, c)
	fork.carrier.Call.Header = Header{}
	return &fork.carrier, nil
}

// Copy makes a Wire that shares the script and the counts, for a call of its own.
func (w *Wire) Copy(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	if w.Once {
		return nil, errOnce
	}
	twin := &Wire{shared: w.shared}
	twin.carrier.Duplicate(ctx, twin, c)
	header := Header{}
	if own, ok := c.Header.(Header); ok {
		maps.Copy(header, own)
	}
	twin.carrier.Call.Header = header
	return &twin.carrier, nil
}

// Adopt counts.
func (w *Wire) Adopt(enmesh.Exchange) {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	w.shared.adopted++
}

var errOnce = errors.New("enmeshtest: the call cannot be sent again")
