// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// Engine decides which calls a server takes. It is an enmesh.Gate, immutable and safe for
// concurrent use. [New] makes one.
type Engine struct {
	custom   *table
	inForce  rulebook
	dry      *rulebook // as it would be with the policies in a dry run; nil: there are none
	audit    *table
	checkers map[string]Checker
	proxies  int
	hide     bool
	recorder enmesh.Recorder
	told     func(context.Context, *enmesh.Call, *Decision)
	failures atomic.Uint64
}

// New makes an Engine, or says which field of which policy makes no sense, and what to
// write.
func New(cfg Config) (*Engine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	force, dry, err := sortPolicies(&cfg)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		custom:   newTable(force.rules[Custom]),
		inForce:  force.book(cfg.Default),
		audit:    newTable(force.rules[Audit]),
		checkers: maps.Clone(cfg.Checkers),
		proxies:  cfg.TrustedProxies,
		hide:     cfg.Hide,
		recorder: cfg.Recorder,
		told:     cfg.Audit,
	}
	if dry != nil {
		book := dry.book(cfg.Default)
		e.dry = &book
	}
	return e, nil
}

// Admit lets a call through that the policies allow. See the package comment for what it
// refuses with.
func (e *Engine) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, e.admit(ctx, c)
}

// Done does nothing: how an allowed call ends is not authorization's concern.
func (e *Engine) Done(enmesh.Token, enmesh.Result) {}

// Middleware is the engine for a chain. Other than enmesh.Guard of it, it waits for no end,
// of which the engine would make nothing.
func (e *Engine) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := e.admit(ctx, c); err != nil {
				return err
			}
			return next(ctx, c)
		}
	}
}

// Failures is how many calls were refused since no decision over them could be had.
func (e *Engine) Failures() uint64 { return e.failures.Load() }

func (e *Engine) admit(ctx context.Context, c *enmesh.Call) error {
	v := view{call: c, proxies: e.proxies}
	said := e.judge(ctx, &v)
	if said.failed {
		e.failures.Add(1)
	}
	if e.told != nil || e.recorder != nil {
		e.tell(ctx, &v, said)
	}
	switch {
	case said.allowed:
		return nil
	case said.err != nil:
		return said.err
	}
	return e.refuse(c)
}

// judge decides in Istio's order. A panic on the way refuses the call.
func (e *Engine) judge(ctx context.Context, v *view) (said verdict) {
	defer func() {
		if p := recover(); p != nil {
			logPanic("a decision", p)
			said = verdict{err: broken, reason: reasonPanic, failed: true}
		}
	}()
	if r := e.custom.find(v, true); r != nil {
		if said = e.ask(ctx, v.call, r); said.reason != "" {
			return said
		}
	}
	return e.inForce.decide(v)
}

// ask has the Checker of a rule decide. The verdict has no reason where it allows: then
// others decide.
func (e *Engine) ask(ctx context.Context, c *enmesh.Call, r *rule) verdict {
	err := e.checkers[r.owner.asks].Check(ctx, c)
	if err == nil {
		return verdict{}
	}
	said := verdict{rule: r, err: err, reason: reasonRefused}
	if no := enmesh.ErrorOf(err); no != nil && no.Outcome == enmesh.Neutral && no.Code != enmesh.OK {
		if errors.Is(err, ErrNoDecision) {
			said.reason, said.failed = reasonNoAnswer, true
		}
		return said
	}
	if end := c.EndOf(ctx); end != nil && end.Outcome == enmesh.Neutral {
		said.err, said.reason = end, reasonCallerGone
		return said
	}
	said.err, said.reason, said.failed = unanswered, reasonNoAnswer, true
	return said
}
