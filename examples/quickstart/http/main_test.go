// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_losesNoCall(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^two instances: map\[200 hello from v1:\d+ 200 hello from v2:\d+\]$`,
		`(?m)^one stopped: map\[200 hello from v2:20\]$`,
		`(?m)^visitor to greetings v1: \d+ requests, 100% succeeded$`,
		`(?m)^visitor to greetings v2: \d+ requests, 100% succeeded$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no line %s in:\n%s", want, out.String())
		}
	}
}
