// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

func TestLeaks(t *testing.T) { report(t, rules.CheckLeaks(files(t))) }

func TestCheckLeaks_namesPackages(t *testing.T) {
	const main = "func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }\n"
	const some = "func TestSome(t *testing.T) {}\n"
	got := rules.CheckLeaks([]*rules.File{
		file(t, "a_test.go", head+"package enmesh_test\n"+some),
		file(t, "good/main_test.go", head+"package good_test\n"+main),
		file(t, "good/a_test.go", head+"package good\n"+some),
		file(t, "ignores/a_test.go", head+"package ignores_test\nfunc TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }\n"),
		file(t, "untested/a.go", head+"package untested\n"),
		file(t, "none/a_test.go", head+"package none_test\n"+some),
		file(t, "none/below/a_test.go", head+"package below_test\n"+main),
		file(t, "other/a_test.go", head+"package other_test\nfunc TestMain(m *testing.M) { os.Exit(m.Run()) }\n"),
		file(t, "elsewhere/a_test.go", head+"package elsewhere_test\n"+some+"func leaks(m *testing.M) { goleak.VerifyTestMain(m) }\n"),
		file(t, "outside/a.go", head+"package outside\n"+main),
		file(t, "outside/a_test.go", head+"package outside_test\n"+some),
	})
	wantProblems(t, got, []string{
		".: has tests and no TestMain that calls goleak.VerifyTestMain",
		"none: has tests and no TestMain that calls goleak.VerifyTestMain",
		"other: has tests and no TestMain that calls goleak.VerifyTestMain",
		"elsewhere: has tests and no TestMain that calls goleak.VerifyTestMain",
		"outside: has tests and no TestMain that calls goleak.VerifyTestMain",
	})
}
