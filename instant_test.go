// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
)

// TestInstant_isMonotonic: both the clock's zero and its readings have the monotonic reading
// by which package time takes differences, so that a jump of the wall clock is in none.
func TestInstant_isMonotonic(t *testing.T) {
	for name, at := range map[string]enmesh.Instant{"zero": 0, "now": enmesh.Now()} {
		if got := at.Time().String(); !strings.Contains(got, " m=") {
			t.Errorf("%s: %s has no monotonic reading", name, got)
		}
	}
	if a, b := enmesh.Now(), enmesh.Now(); a <= 0 || b < a {
		t.Errorf("got the readings %d and %d, want them positive and in order", a, b)
	}
}
