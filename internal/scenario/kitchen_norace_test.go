// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package scenario_test

import "time"

// Slots and service time of a kitchen: 200 calls a second.
const (
	kitchenSlots   = 10
	kitchenService = 50 * time.Millisecond
)
