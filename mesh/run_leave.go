// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// idlePoll is how often a draining process looks whether its calls have ended.
const idlePoll = 2 * time.Millisecond

// leave takes the steps of the end. ctx ends when there is no more time.
func (r *runner) leave(ctx context.Context) error {
	r.m.health.Set(PhaseLeaving)
	r.step(StepNotReady, nil)
	err := r.withdraw(ctx)
	r.step(StepHint, nil)
	r.hint(ctx)
	return errors.Join(err, r.drain(ctx))
}

// hint has every server tell its callers, until nobody is connected or the time is
// over. Servers that cannot are told of by GOAWAY, or by closed connections, later.
func (r *runner) hint(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var clock, told sync.WaitGroup
	clock.Go(func() { defer cancel(); spend(ctx, r.cfg.timing.Hint) })
	defer clock.Wait()
	defer cancel()
	for _, s := range r.cfg.servings {
		if h, ok := s.Server.(interface{ Hint(ctx context.Context) }); ok {
			told.Go(func() { h.Hint(ctx) })
		}
	}
	told.Wait()
}

// hintParts is in how many parts the time of the hint is counted.
const hintParts = 20

// spend waits for d of the time that this process runs: while it stands still, on a machine
// that has no time for it, no more than a part goes by. Otherwise the time could be over
// before one answer has carried the hint, and the requests that lie unread would be lost.
func spend(ctx context.Context, d time.Duration) {
	for range hintParts {
		select {
		case <-ctx.Done():
			return
		case <-time.After(d / hintParts):
		}
	}
}

// drain shuts every server down and waits for the calls in flight; what is not over in
// time is cut.
func (r *runner) drain(hurried context.Context) error {
	r.m.health.Set(PhaseDraining)
	r.step(StepDrain, nil)
	ctx, cut := context.WithCancel(r.ctx) // ended only after what is cut was counted
	defer cut()
	errs := make(chan error, 1)
	go func() { errs <- r.shutdown(ctx) }()
	timeUp := time.NewTimer(r.cfg.timing.Drain)
	defer timeUp.Stop()
	select {
	case err := <-errs:
		return err
	case <-timeUp.C:
	case <-hurried.Done():
	}
	return r.force(cut, errs)
}

// shutdown shuts all servers down at once, and returns when nothing is served any
// more.
func (r *runner) shutdown(ctx context.Context) error {
	errs := make([]error, len(r.cfg.servings))
	var ending sync.WaitGroup
	for i, s := range r.cfg.servings {
		ending.Go(func() {
			if err := s.Server.Shutdown(ctx); err != nil {
				errs[i] = fmt.Errorf("mesh: shutting down the server %q: %w", s.Name, err)
			}
		})
	}
	ending.Wait()
	r.serving.Wait()
	idle := time.NewTicker(idlePoll)
	defer idle.Stop()
	for r.m.InFlight() > 0 && ctx.Err() == nil { // connections that handlers took over
		select {
		case <-idle.C:
		case <-ctx.Done():
		}
	}
	return errors.Join(errs...)
}

// force cuts what is in flight, and gives it a moment to end.
func (r *runner) force(cut func(), errs <-chan error) error {
	err := fmt.Errorf("%w: %d of them", ErrForced, r.m.InFlight())
	r.step(StepForce, err)
	cut()
	for _, s := range r.cfg.servings {
		if c, ok := s.Server.(interface{ Close() error }); ok {
			_ = c.Close() // it is over, one way or the other
		}
	}
	timeUp := time.NewTimer(r.cfg.timing.Force)
	defer timeUp.Stop()
	select {
	case <-errs: // that they were cut is known
	case <-timeUp.C:
		return fmt.Errorf("%w; %d had not ended %v later", err, r.m.InFlight(), r.cfg.timing.Force)
	}
	idle := time.NewTicker(idlePoll)
	defer idle.Stop()
	for r.m.InFlight() > 0 {
		select {
		case <-idle.C:
		case <-timeUp.C:
			return fmt.Errorf("%w; %d had not ended %v later", err, r.m.InFlight(), r.cfg.timing.Force)
		}
	}
	return err
}
