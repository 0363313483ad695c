// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// A Gate admits a call and later hears how it ended. Every Token that Admit
// returned without error is given to Done exactly once: after panic, cancel, body
// closed early, a lost fork and a pick thrown away alike. Both methods may run
// concurrently and on any goroutine. Done must not block, nor call into the stream
// or response it is told about: gRPC calls it under its own locks.
type Gate interface {
	Admit(ctx context.Context, c *Call) (Token, error)
	Done(t Token, r Result)
}

// Token is what a Gate wants back: one word (a generation, a start time), or, for
// a library that hands out a closure, that closure. The zero Token is fine for a
// gate that needs nothing. A Token is a value and costs no allocation.
type Token struct {
	N uint64
	F func(error)
}

// Tell calls g.Done where nothing stands above that could bear its panic, as at the end of
// an answer: gRPC tells of that on goroutines of its own, and the process would be over.
// A panic is logged by slog and goes no further.
func Tell(g Gate, t Token, r Result) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("enmesh: a gate's Done panicked", "gate", fmt.Sprintf("%T", g), "value", v, "stack", string(debug.Stack()))
		}
	}()
	g.Done(t, r)
}

// Guard makes a Middleware of a Gate. When next fails, or panics, Done is called at
// once; when it succeeds, Done is called when the call has finished, which is at once
// where nothing runs on ([Call.Streams]). Guard itself allocates nothing.
func Guard(g Gate) Middleware {
	return func(next Next) Next {
		return func(ctx context.Context, c *Call) error {
			t, err := g.Admit(ctx, c)
			if err != nil {
				return err
			}
			s := settlement{gate: g, token: t, call: c}
			defer s.onPanic()
			err = next(ctx, c)
			s.settled = true
			if err != nil || !c.Streams() {
				g.Done(t, c.Result(err))
				return err
			}
			c.Defer(g, t)
			return nil
		}
	}
}

// settlement gives a token back when the chain inside a Guard did not return:
// panic or runtime.Goexit. A method on the stack frame costs no closure.
type settlement struct {
	gate    Gate
	token   Token
	call    *Call
	settled bool
}

func (s *settlement) onPanic() {
	if s.settled {
		return
	}
	s.call.Clock = Now()
	s.gate.Done(s.token, s.call.Result(ErrPanic))
}
