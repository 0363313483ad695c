// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "context"

// Action is what a policy does to a call, as metrics label it.
type Action string

// The actions.
const (
	ActionRefuse  Action = "refuse"  // it does not let the call, or an attempt, through
	ActionRetry   Action = "retry"   // it sends the call again
	ActionHedge   Action = "hedge"   // it sends the call a second time beside the first
	ActionDelay   Action = "delay"   // it makes the call wait
	ActionReplace Action = "replace" // it answers in the far side's place
	ActionTimeout Action = "timeout" // it ends the call, its time being up
	ActionDegrade Action = "degrade" // it decides without what it should ask, which is out of reach
	ActionAudit   Action = "audit"   // it takes note of the call, and does nothing to it
	ActionAllow   Action = "allow"   // it lets through what is refused; in shadow only
)

// Decision is what a policy did to a call, or in shadow would have done.
type Decision struct {
	Policy string // the package that decided: "breaker"
	Action Action
	Shadow bool // it did nothing, and would have
}

// A Recorder counts decisions. Record is called on the call's goroutine and must not
// block; c is the caller's again when it returns. Policies tell of what they did in
// shadow, and of what nobody else would count.
type Recorder interface {
	Record(c *Call, d Decision)
}

// Shadow is g as it would be: what it refuses goes through all the same, and r is told.
// g hears how calls end that it has admitted, and no others: so a breaker in shadow, once
// open, closes again by its own probes. policy names g in decisions; r may be nil.
func Shadow(g Gate, policy string, r Recorder) Gate {
	return &shadow{g, Decision{Policy: policy, Action: ActionRefuse, Shadow: true}, r}
}

type shadow struct {
	gate     Gate
	decision Decision
	recorder Recorder
}

// passed is the token of a call that the gate had refused. No gate's own token has both
// a word and a closure.
var passed = Token{N: 1<<63 | 0x5AD0, F: func(error) {}}

// Admit lets every call through.
func (s *shadow) Admit(ctx context.Context, c *Call) (Token, error) {
	t, err := s.ask(ctx, c)
	if err == nil {
		return t, nil
	}
	if s.recorder != nil {
		s.recorder.Record(c, s.decision)
	}
	return passed, nil
}

// ask asks the gate, which finds no answer of a server's to tell of its refusal in.
func (s *shadow) ask(ctx context.Context, c *Call) (Token, error) {
	if c.Side != Server {
		return s.gate.Admit(ctx, c)
	}
	header := c.Answer.Header
	c.Answer.Header = nil
	t, err := s.gate.Admit(ctx, c)
	c.Answer.Header = header
	return t, err
}

// Done tells the gate of what it admitted.
func (s *shadow) Done(t Token, r Result) {
	if t.N == passed.N && t.F != nil {
		return
	}
	s.gate.Done(t, r)
}
