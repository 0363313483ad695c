// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// The algorithms with a random source of the test's choice.
var (
	PowerOfTwoFrom   = powerOfTwoFrom
	LeastRequestFrom = leastRequestFrom
	RandomFrom       = randomFrom
	RingHashFrom     = ringHashFrom
	MaglevFrom       = maglevFrom
	SlowStartFrom    = slowStartFrom
	LayOut           = layOut
)

// RingSize is how many points the ring of a picker has.
func RingSize(p Picker) int { return len(p.(*ringHash).places) }

// LeftOver is what the count of a cluster's calls in flight says.
func LeftOver(c *Cluster) int64 { return c.counted().n.Load() }

// LocalityFrom is Locality with a random source of the test's choice.
var LocalityFrom = localityFrom

// Spread is the load of tiers of some health.
var Spread = spread

// ZoneShares is the load of zones.
var ZoneShares = zoneShares

// SumOf sums up the health of what Locality built.
func SumOf(p Picker) func() {
	return func() {
		l, _ := p.(*levels)
		l.sum(enmesh.Now())
	}
}
