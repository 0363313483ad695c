// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import "github.com/sony/gobreaker/v2"

// State is what a breaker does with calls.
type State uint8

// Closed lets every call through; Open refuses every call; HalfOpen lets probes
// through and refuses the rest.
const (
	Closed State = iota
	HalfOpen
	Open
)

// String is "closed", "half-open" or "open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "state(?)"
}

func stateOf(s gobreaker.State) State {
	switch s {
	case gobreaker.StateHalfOpen:
		return HalfOpen
	case gobreaker.StateOpen:
		return Open
	}
	return Closed
}
