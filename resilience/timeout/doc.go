// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package timeout bounds how long a call, or one attempt of it, may take.
//
// A call without a limit holds what it holds for as long as the far side likes.
// [Overall] bounds the whole call, [Attempt] each try of it; between the two stands
// the retry:
//
//	again, err := retry.New(retry.Config{MaxAttempts: 3})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(true,
//		timeout.Overall(2*time.Second),
//		again,
//		timeout.Attempt(500*time.Millisecond),
//	)
//
// A limit that is not tighter than the deadline already in force does nothing and
// costs nothing. One that is becomes the context's deadline, is told to the far side
// by the adapters, and ends the call with an error that is [ErrTimeout]:
// DeadlineExceeded, 504, UT, a Failure of the far side. That error is the cause of
// the context, so that gates further in learn whose limit it was; the caller's own
// deadline stays the caller's.
//
// # Answers that run on
//
// A limit bounds the time to the head of an answer, never what streams after it: a
// download, server-sent events, a gRPC stream. For gRPC streams it is therefore not
// told to the far side either, which would bound the whole stream. On a server it
// bounds the handler until the answer has begun.
//
// [Idle] is for those: it ends a stream on which nothing was sent or received for so long.
//
// In shadow ([Config], [IdleConfig]) a limit counts what it would have cut.
//
// # A process that stood still
//
// When a process is stopped for a while, or its machine is, all its limits pass at once, and the answers
// may lie unread. A limit whose timer is more than a second late therefore ends the
// attempt with enmesh.ErrStandstill, which is Neutral: it trips no breaker and ejects
// nobody. An attempt whose own call has time left may be made again, within the budget.
//
// # Cost
//
// The deadline is the dearest thing a policy can ask for. A limit in force costs six
// allocations with the first context derived from it, one less than
// context.WithTimeoutCause, and about two thirds of its time: the timer is used again
// from call to call. No goroutine is started.
package timeout
