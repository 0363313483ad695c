// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

// Outcome says whether an ending speaks for or against the far side.
type Outcome uint8

// Success: it answered as asked. Failure: it, or the way to it, failed; "no
// healthy endpoint" and a failed connect are failures of the service. Neutral: the
// ending says nothing about it (the caller cancelled, the caller's own deadline or
// fault, a policy's refusal, a lost race): it never ejects, trips or spends a
// budget.
const (
	Success Outcome = iota
	Failure
	Neutral
)

// String is "success", "failure" or "neutral".
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Neutral:
		return "neutral"
	}
	return "outcome(?)"
}
