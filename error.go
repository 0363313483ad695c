// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Flag is Envoy's short response flag, or several with commas between, as Envoy
// writes them: "UH,URX" says that no endpoint was healthy and that the retries are
// used up. It is "" when none applies. Ask [Flag.Has] for one; == compares the whole.
type Flag string

// The flags that enmesh sets, with Envoy's meaning.
const (
	FlagNoHealthy        Flag = "UH"  // no healthy endpoint
	FlagOverflow         Flag = "UO"  // a breaker or pool limit is reached
	FlagRetriesExhausted Flag = "URX" // the last attempt that policy allows failed
	FlagTimeout          Flag = "UT"  // the request's or attempt's timeout passed
	FlagRateLimited      Flag = "RL"  // a rate limit refused
	FlagNoRoute          Flag = "NR"  // no route matches
	FlagNoCluster        Flag = "NC"  // the route's service or subset is not known
	FlagFaultInjected    Flag = "FI"  // an abort was injected
	FlagDelayInjected    Flag = "DI"  // a delay was injected: no Error has it, see Call.MarkDelayed
	FlagConnectFailure   Flag = "UF"  // connecting to the endpoint failed
	FlagConnectionEnded  Flag = "UC"  // the endpoint ended the connection
	FlagCallerGone       Flag = "DC"  // the caller cancelled
)

// Has reports whether g, a single flag, is one of f's. No flag has "".
func (f Flag) Has(g Flag) bool {
	if f == g {
		return g != ""
	}
	for rest := string(f); rest != "" && g != ""; {
		var one string
		if one, rest, _ = strings.Cut(rest, ","); one == string(g) {
			return true
		}
	}
	return false
}

// Error is how a policy or the far side says no. Whoever creates an Error sets its
// Outcome: adapters for what the wire said, policies for their refusals. Frequent
// ones are built once and shared; an Error is never written after it was returned.
type Error struct {
	Code       Code
	Outcome    Outcome
	Unsent     bool          // it provably never reached the application
	Status     int           // HTTP status of the far side, or to answer with; 0: it gave none
	Flag       Flag          // one, or several with commas between; "" when none applies
	Policy     string        // the package that refused; "": the far side said it
	RetryAfter time.Duration // pushback: 0 none given, < 0 do not retry
	Err        error         // sentinel or cause; nil: the code says it all
}

// Error is "package: cause", and the flags in brackets when there are any. What the
// cause says of its package and flags is not said twice.
func (e *Error) Error() string {
	if e.Flag == "" {
		return e.text()
	}
	return e.text() + " [" + string(e.Flag) + "]"
}

// text is Error without the flags.
func (e *Error) text() string {
	text := e.Code.String()
	if cause, ok := e.Err.(*Error); ok && e.Flag.Has(cause.Flag) { //nolint:errorlint // a wrap in between has a text of its own
		text = cause.text()
	} else if e.Err != nil {
		text = e.Err.Error()
	}
	if e.Policy != "" && !strings.HasPrefix(text, e.Policy+": ") {
		text = e.Policy + ": " + text
	}
	return text
}

// Unwrap is the sentinel or cause, so that errors.Is finds it.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether time ran out. It makes url.Error.Timeout, and whatever
// else asks an error so, tell the truth about a call.
func (e *Error) Timeout() bool { return e.Code == DeadlineExceeded }

// ErrorOf finds the *Error in err's tree, or returns nil.
func ErrorOf(err error) *Error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // the common case, without errors.As's reflection
		return e
	}
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// CodeOf is the code of err: nil is OK, an *Error has its own, the context's two
// errors have theirs, everything else is Unknown.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if e := ErrorOf(err); e != nil {
		return e.Code
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Unknown
}

// OutcomeOf classifies err: nil is Success, an *Error has its own, the context's
// two errors are Neutral, everything else is Failure.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Success
	}
	if e := ErrorOf(err); e != nil {
		return e.Outcome
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Neutral
	}
	return Failure
}

// What ends a call without anybody's fault. All are Neutral.
var (
	// ErrCanceled: the caller cancelled. It is context.Canceled.
	ErrCanceled = &Error{Code: Canceled, Outcome: Neutral, Flag: FlagCallerGone, Err: context.Canceled}
	// ErrDeadline: the caller's own deadline passed. It is context.DeadlineExceeded.
	ErrDeadline = &Error{Code: DeadlineExceeded, Outcome: Neutral, Flag: FlagTimeout, Err: context.DeadlineExceeded}
	// ErrLost: another attempt won.
	ErrLost = &Error{Code: Canceled, Outcome: Neutral, Err: errors.New("enmesh: another attempt won")}
	// ErrUnsent: the pick was thrown away before anything was sent.
	ErrUnsent = &Error{Code: Unavailable, Outcome: Neutral, Unsent: true, Err: errors.New("enmesh: the pick was thrown away unsent")}
)

// ErrSlow is the caller's deadline too, but it left the attempt at least the
// route's attempt timeout and no answer came: a Failure of the endpoint. It is
// context.DeadlineExceeded.
var ErrSlow = &Error{Code: DeadlineExceeded, Outcome: Failure, Flag: FlagTimeout, Err: context.DeadlineExceeded}

// ErrPanic is what gates hear when the chain inside them panicked: Internal,
// Failure. The panic itself goes on.
var ErrPanic = &Error{Code: Internal, Outcome: Failure, Err: errors.New("enmesh: panic in the chain")}
