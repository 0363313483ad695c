// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

// TestScenarioT16_wallTimeIsNotRead: limits, breakers and ejections go by elapsed time, so
// that a jump of the wall clock is nothing to them.
func TestScenarioT16_wallTimeIsNotRead(t *testing.T) {
	report(t, rules.CheckWallTime(files(t), rules.WallTime))
}

func TestCheckWallTime_namesReads(t *testing.T) {
	const reads = "var a, b, c = time.Now(), time.Since(x), t.UnixNano()\n"
	got := rules.CheckWallTime([]*rules.File{
		file(t, "limit/bad/a.go", head+"package bad\n"+reads),
		file(t, "limit/bad/a_test.go", head+"package bad\n"+reads),
		file(t, "resilience/handed/a.go", head+"package handed\nvar now = time.Now\n"),
		file(t, "balance/outlier/excused.go", head+"package outlier\nvar now = time.Now()\n"),
		file(t, "security/jwt/a.go", head+"package jwt\n"+reads),
	}, map[string]string{"balance/outlier/excused.go time.Now": "for a log", "limit/gone.go time.Now": "it was needed"})
	wantProblems(t, got, []string{
		"limit/bad/a.go:5: time.Now reads a wall clock, which may jump: use enmesh.Now",
		"limit/bad/a.go:5: UnixNano reads a wall clock, which may jump: use enmesh.Now",
		"resilience/handed/a.go:5: time.Now reads a wall clock, which may jump: use enmesh.Now",
		"limit/gone.go time.Now: is in rules.WallTime and need not be",
	})
}
