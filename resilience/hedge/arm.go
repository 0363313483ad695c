// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge

import (
	"context"
	"runtime/debug"

	"github.com/enmesh-go/enmesh"
)

// arm is one of the attempts of a race.
type arm struct {
	call   *enmesh.Call
	cancel context.CancelCauseFunc
	begun  enmesh.Instant
	first  bool
	err    error // how it ended; written before it is given to the race
}

// run makes the attempt and gives the arm to whoever runs the race. A panic becomes its
// error: nobody could recover it here.
func (a *arm) run(ctx context.Context, next enmesh.Next, ended chan<- *arm) {
	a.err = enmesh.ErrPanic // what is left when next exits the goroutine
	defer func() {
		if v := recover(); v != nil {
			a.err = &enmesh.Error{
				Code: enmesh.Internal, Outcome: enmesh.Failure, Policy: "hedge",
				Err: &enmesh.PanicError{Value: v, Stack: debug.Stack()},
			}
		}
		ended <- a // it has room for all
	}()
	a.err = next(ctx, a.call)
}

// drop discards what the attempt came to.
func (a *arm) drop() {
	a.call.Drop(enmesh.ErrLost)
	a.cancel(nil)
}

// final reports whether no other attempt could do better: a success, or what the far
// side, or the caller's own end, says of the call and not of the attempt.
func (a *arm) final() bool {
	if a.err == nil {
		return true
	}
	e := enmesh.ErrorOf(a.err)
	return e != nil && e.Outcome == enmesh.Neutral && e.Policy == "" && !e.Unsent
}

// Admit is never called: an arm is a gate only so that it waits for the end of the call
// without a closure.
func (a *arm) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done releases the context of the attempt that won.
func (a *arm) Done(enmesh.Token, enmesh.Result) { a.cancel(nil) }
