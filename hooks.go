// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"sync/atomic"
)

// inlineHooks is how many hooks a Call holds without allocating: telemetry of the
// call and of the attempt, and a guard. Every one more is 32 bytes on every call.
const inlineHooks = 3

// hook is a gate that waits for the end of the call.
type hook struct {
	gate  Gate
	token Token
}

// The two halves of an end. Hooks run when both are there, whichever is later: a
// stream may end while its chain still runs.
const (
	endClaimed uint32 = 1 << iota // somebody says how the wire ended
	wireEnded                     // and has written it down
	chainEnded                    // the chain has returned
)

// hooks are the gates of a call that wait for its end, and how far that end is.
type hooks struct {
	state    atomic.Uint32
	n        int32
	inline   [inlineHooks]hook
	spill    *spill // nil until the inline ones are full
	chainErr error
	err      error
	at       Instant
}

// spill is the hooks of a call that has many: the first of them in one allocation.
type spill struct {
	list  []hook
	first [3]hook
}

func (h *hooks) spilled() *spill {
	if h.spill == nil {
		h.spill = &spill{}
		h.spill.list = h.spill.first[:0]
	}
	return h.spill
}

func (s *spill) push(k hook) { s.list = append(s.list, k) }

func (h *hooks) push(g Gate, t Token) {
	if h.n < inlineHooks {
		h.inline[h.n] = hook{g, t}
	} else {
		h.spilled().push(hook{g, t})
	}
	h.n++
}

func (h *hooks) pop() hook {
	h.n--
	if h.n < inlineHooks {
		last := h.inline[h.n]
		h.inline[h.n] = hook{}
		return last
	}
	return h.spill.list[h.n-inlineHooks]
}

// move gives every hook to another call's list, in order.
func (h *hooks) move(to *hooks) {
	for i := range h.n {
		if i < inlineHooks {
			to.push(h.inline[i].gate, h.inline[i].token)
		} else {
			held := h.spill.list[i-inlineHooks]
			to.push(held.gate, held.token)
		}
	}
	h.n = 0
}

func (h *hooks) ended() bool {
	return h.state.Load()&(wireEnded|chainEnded) == wireEnded|chainEnded
}

// run gives every hook its Result, last first. A hook that panics does not keep
// the rest from hearing.
func (h *hooks) run(r Result) {
	if h.n == 0 {
		return
	}
	last := h.pop()
	defer h.run(r)
	last.gate.Done(last.token, r)
}

// Defer calls g.Done(t, …) once, when the call has finished: body read to its end,
// failed or closed, stream ended in any way, handler returned. Hooks run last
// first. The first three cost no allocation. Below a retry, Defer only after next
// has returned nil, as Guard does: an attempt that failed has no end of its own.
// Call it from the chain's goroutine, before the chain returns.
func (c *Call) Defer(g Gate, t Token) {
	if c.hooks.ended() {
		g.Done(t, c.endResult())
		return
	}
	c.hooks.push(g, t)
}

// OnFinish is Defer for a function; it costs its closure.
func (c *Call) OnFinish(f func(Result)) { c.Defer(finishFunc(f), Token{}) }

// endResult is the Result that all hooks share: what the chain said, or else what
// the wire said.
func (c *Call) endResult() Result {
	err := c.hooks.chainErr
	if err == nil {
		err = c.hooks.err
	}
	return Result{Err: err, Outcome: OutcomeOf(err), Answered: Instant(c.answered.Load()), Ended: c.hooks.at, Call: c}
}

// finishFunc is a function as a gate that waits for an end.
type finishFunc func(Result)

// Done calls f.
func (f finishFunc) Done(_ Token, r Result) { f(r) }

// Admit is never called: a finishFunc is only ever deferred.
func (f finishFunc) Admit(context.Context, *Call) (Token, error) { return Token{}, nil }
