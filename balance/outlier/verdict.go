// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"errors"

	"github.com/enmesh-go/enmesh"
)

// verdict is what an ending says of the endpoint.
type verdict struct {
	status int  // 0: nothing is said; below 400: fine; else an error of that status
	local  bool // it did not come from the endpoint: it failed on the way
}

var (
	silent = verdict{}
	fine   = verdict{status: 200}
)

func (v verdict) failed() bool { return v.status >= firstCode }

// gateway reports whether it is a gateway error.
func (v verdict) gateway() bool { return v.status == 502 || v.status == 503 || v.status == 504 }

// judge says what an ending means under the configuration.
func (c *Config) judge(r enmesh.Result) verdict {
	if r.Err == nil {
		return fine
	}
	e := enmesh.ErrorOf(r.Err)
	switch {
	case e == nil:
		return onTheWay(enmesh.CodeOf(r.Err), r.Outcome)
	case errors.Is(e, enmesh.ErrPanic):
		return silent
	case r.Outcome == enmesh.Neutral && (e.Policy != "" || e.Unsent):
		return silent
	case e.Status != 0 && e.Policy == "":
		return c.answer(e.Status) // whatever its outcome: a 501 is neutral, and a 5xx
	case r.Outcome == enmesh.Neutral && !answers(e.Code):
		return silent
	case isLocal(e):
		return onTheWay(e.Code, r.Outcome)
	case r.Outcome == enmesh.Neutral && c.Codes.Empty():
		return fine
	}
	return c.answer(enmesh.StatusOfCode(e.Code))
}

// answer is what the far side's status says.
func (c *Config) answer(status int) verdict {
	failed := status >= 500
	if !c.Codes.Empty() {
		failed = c.Codes.Has(status)
	}
	if !failed {
		return fine
	}
	return verdict{status: status}
}

// isLocal reports whether an error that carries no status of the far side came about
// on the way: a failed connect, a broken connection, time that ran out here. A gRPC
// status that the far side sent has none of these flags.
func isLocal(e *enmesh.Error) bool {
	return e.Policy != "" || e.Flag.Has(enmesh.FlagConnectFailure) || e.Flag.Has(enmesh.FlagConnectionEnded) ||
		e.Flag.Has(enmesh.FlagTimeout)
}

// onTheWay is a failure of local origin: the status that stands for it. One that
// stands for no 5xx is nobody's.
func onTheWay(code enmesh.Code, o enmesh.Outcome) verdict {
	status := enmesh.StatusOfCode(code)
	switch {
	case o == enmesh.Neutral:
		return silent
	case status < 500:
		return fine
	}
	return verdict{status: status, local: true}
}

// answers reports whether a neutral code is one that only the far side gives, about
// the caller's own fault; a cancellation may be anybody's.
func answers(c enmesh.Code) bool {
	return c != enmesh.Canceled && enmesh.OutcomeOfCode(c) == enmesh.Neutral
}
