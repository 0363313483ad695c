// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package scenario_test

import "time"

// Slots and service time of a kitchen: 50 calls a second, since ten times 200 would be a
// load of the CPU under the race detector.
const (
	kitchenSlots   = 10
	kitchenService = 200 * time.Millisecond
)
