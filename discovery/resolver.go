// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"iter"
)

// Resolver finds the endpoints of a service. Names are opaque strings, compared
// exactly: whoever asks has brought them into the registry's form.
//
// Watch yields the full set, then the full set again on each change, until ctx
// ends or the consumer stops. Rules for those who implement it and those who
// range over it:
//   - An error is news, not the end: the consumer keeps the last good set and goes
//     on ranging. Where the error is not nil, the set is to be ignored.
//   - A set that is known to be empty is yielded as such; before the first set
//     nothing is known.
//   - A resolver that does not know the service yields an error that wraps
//     [ErrUnknownService]. One that can be sure of it yields the empty set next.
//   - An unchanged set is not yielded again, except once after an error, which says
//     that the error is over. Sets in between may be skipped: a slow consumer sees the
//     latest.
//   - A set that was yielded is shared and is never written, by either side.
//   - Any number of watches may run at once, and a slow one delays nobody.
//   - When the range ends, no goroutine of it is left.
type Resolver interface {
	Watch(ctx context.Context, service string) iter.Seq2[[]Endpoint, error]
}

// Registrar announces instances.
//
// Register announces in, holds the registration while ctx lives, withdraws it
// when ctx ends, and then returns nil. It blocks all that time: run it on a
// goroutine, and wait for its return before the process ends. An error means
// that the instance is not announced and never will be by this call, or that it
// could not be withdrawn.
type Registrar interface {
	Register(ctx context.Context, in Instance) error
}

// ErrUnknownService says that a registry has nothing under that name.
var ErrUnknownService = errors.New("discovery: unknown service")
