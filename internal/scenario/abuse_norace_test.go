// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package scenario_test

// The limits of floods; zeros are the defaults. Under the race detector a server and its
// attacker together do not come to a thousand requests a second.
const (
	floodRate  = 0
	floodBurst = 0
)

// By how much the race detector slows an attack and its server, and what it adds to memory.
const (
	raceSlows  = 1
	raceWeighs = 1
)

// judgesLatency: the race detector's own work is in the way of calls, so that their time is
// judged without it.
const judgesLatency = true

// percentileTurns is how often a server is attacked and, for as long, left alone, in turns:
// what else the machine does is in both.
const percentileTurns = 4
