// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"sync/atomic"
)

// inlineHooks is how many hooks a Call itself holds: the telemetry of a unary gRPC
// call, whose gates settle at once. Every one more is 32 bytes on every call; where
// answers run on, the adapter lends room for more (see [Spare]).
const inlineHooks = 1

// spareHooks is how many a Spare holds: two guards beside the telemetry.
const spareHooks = 2

// hook is a gate that waits for the end of the call.
type hook struct {
	gate  Gate
	token Token
}

// The two halves of an end. Hooks run when both are there, whichever is later: a
// stream may end while its chain still runs.
const (
	endClaimed  uint32 = 1 << iota // somebody says how the wire ended
	wireEnded                      // and has written it down
	chainEnded                     // the chain has returned
	discouraged                    // see DiscourageRetry
	delayed                        // see MarkDelayed
)

// hooks are the gates of a call that wait for its end, and how far that end is.
type hooks struct {
	state    atomic.Uint32
	n        int32
	inline   [inlineHooks]hook
	spare    *Spare // nil until the inline ones are full, or an adapter lends one
	chainErr error
	err      error
	at       Instant
}

// Spare is room for the hooks of a call whose answer runs on: an adapter puts one in
// its record and lends it to the call ([Carrier.Lend]), so that two guards beside the
// telemetry cost no allocation.
type Spare struct {
	first   [spareHooks]hook
	more    *[]hook // nil until first is full
	watcher Watcher // see [Call.Watch]
}

// Reset empties the room and keeps its size, for the record's next call. An adapter
// calls it when the call before has ended.
func (s *Spare) Reset() {
	clear(s.first[:])
	s.watcher = nil
	if s.more != nil {
		clear(*s.more)
		*s.more = (*s.more)[:0]
	}
}

// Emptied is the room, emptied, in a Spare of its own: for a record that is written anew.
func (s *Spare) Emptied() Spare {
	s.Reset()
	return Spare{more: s.more}
}

func (s *Spare) put(i int32, k hook) {
	if i < spareHooks {
		s.first[i] = k
		return
	}
	if s.more == nil {
		s.more = new([]hook)
	}
	*s.more = append(*s.more, k)
}

func (s *Spare) at(i int32) hook {
	if i < spareHooks {
		return s.first[i]
	}
	return (*s.more)[i-spareHooks]
}

func (h *hooks) push(g Gate, t Token) {
	if h.n < inlineHooks {
		h.inline[h.n] = hook{g, t}
	} else {
		if h.spare == nil {
			h.spare = &Spare{}
		}
		h.spare.put(h.n-inlineHooks, hook{g, t})
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
	return h.spare.at(h.n - inlineHooks)
}

// move gives every hook to another call's list, in order.
func (h *hooks) move(to *hooks) {
	for i := range h.n {
		if i < inlineHooks {
			to.push(h.inline[i].gate, h.inline[i].token)
		} else {
			held := h.spare.at(i - inlineHooks)
			to.push(held.gate, held.token)
		}
	}
	h.n = 0
}

// mark sets bits of the state.
func (h *hooks) mark(bits uint32) { h.state.Or(bits) }

func (h *hooks) ended() bool {
	return h.state.Load()&(wireEnded|chainEnded) == wireEnded|chainEnded
}

// run gives every hook its Result, last first (see [Tell]).
func (h *hooks) run(r Result) {
	if h.n == 0 {
		return
	}
	last := h.pop()
	defer h.run(r)
	Tell(last.gate, last.token, r)
}

// Defer calls g.Done(t, …) once, when the call has finished: body read to its end,
// failed or closed, stream ended in any way, handler returned. Hooks run last
// first. The first costs no allocation, nor do the next two where answers run on. Below a retry, Defer only after next
// has returned nil, as Guard does: an attempt that failed has no end of its own.
// Call it from the chain's goroutine, before the chain returns.
func (c *Call) Defer(g Gate, t Token) {
	if c.hooks.ended() {
		Tell(g, t, c.endResult())
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
