// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

// The algorithms with a random source of the test's choice.
var (
	PowerOfTwoFrom   = powerOfTwoFrom
	LeastRequestFrom = leastRequestFrom
	RandomFrom       = randomFrom
	RingHashFrom     = ringHashFrom
	MaglevFrom       = maglevFrom
	SlowStartFrom    = slowStartFrom
)

// RingSize is how many points the ring of a picker has.
func RingSize(p Picker) int { return len(p.(*ringHash).places) }

// LeftOver is what the count of a cluster's calls in flight says.
func LeftOver(c *Cluster) int64 { return c.counted().n.Load() }
