// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

// The algorithms with a random source of the test's choice.
var (
	PowerOfTwoFrom   = powerOfTwoFrom
	LeastRequestFrom = leastRequestFrom
	RandomFrom       = randomFrom
)

// LocalityFrom is Locality with a random source of the test's choice.
var LocalityFrom = localityFrom

// Spread is the load of tiers of some health.
var Spread = spread

// ZoneShares is the load of zones.
var ZoneShares = zoneShares
