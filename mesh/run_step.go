// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"log/slog"
	"time"
)

// The steps of a [Run], in their order. StepDeregister and StepPropagated are taken only
// with a registrar, StepForce only when something had to be cut.
const (
	StepListen     = "listen"     // every listener is open
	StepReady      = "ready"      // health says so
	StepRegister   = "register"   // the instance is being announced
	StepStop       = "stop"       // a signal, the context's end, or a failure; see Err
	StepNotReady   = "not ready"  // health says so; calls are served all the same
	StepDeregister = "deregister" // the announcement was withdrawn
	StepPropagated = "propagated" // callers have heard of it, as far as can be seen
	StepHint       = "hint"       // answers tell callers to go elsewhere
	StepDrain      = "drain"      // nothing new is taken
	StepForce      = "force"      // what was in flight was cut
	StepExit       = "exit"       // all servers have ended
)

// Step is a step of a [Run] at the moment when it was taken.
type Step struct {
	Name     string
	At       time.Time
	Since    time.Duration // since the step before
	InFlight int64         // calls that were being served
	Err      error         // why it ends (StepStop), or what failed
}

// step logs a step and tells who listens.
func (r *runner) step(name string, err error) {
	now := time.Now()
	s := Step{Name: name, At: now, InFlight: r.m.InFlight(), Err: err}
	if !r.last.IsZero() {
		s.Since = now.Sub(r.last)
	}
	r.last = now
	args := []any{"step", name, "since", s.Since, "inflight", s.InFlight}
	level := slog.LevelInfo
	if err != nil {
		args = append(args, "error", err)
		level = slog.LevelWarn
	}
	r.m.cfg.log.Log(r.ctx, level, "lifecycle", args...)
	for _, f := range r.cfg.steps {
		f(s)
	}
}
