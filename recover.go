// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"fmt"
	"runtime/debug"
)

// PanicError is the cause of the *Error that [Recover] makes of a panic.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine that panicked
}

// Error names the value; the stack is for logs.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Unwrap is the panic's value when it was an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Recover makes an error of a panic further in: Internal, Failure, with a
// *[PanicError] as its cause. It stands outermost in a chain. A panic whose value
// pass accepts goes on; net/http's ErrAbortHandler is such a value. pass may be nil.
func Recover(pass func(value any) bool) Middleware {
	return func(next Next) Next {
		return func(ctx context.Context, c *Call) (err error) {
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if pass != nil && pass(v) {
					panic(v)
				}
				err = &Error{Code: Internal, Outcome: Failure, Policy: "enmesh", Err: &PanicError{v, debug.Stack()}}
			}()
			return next(ctx, c)
		}
	}
}
