// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

// The algorithms with a random source of the test's choice.
var (
	PowerOfTwoFrom   = powerOfTwoFrom
	LeastRequestFrom = leastRequestFrom
	RandomFrom       = randomFrom
	LayOut           = layOut
)
