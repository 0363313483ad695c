// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_losesNoCallAndKnowsTheCaller(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const answer = `x SERVING from (v1|v2) to spiffe://cluster.local/ns/default/sa/visitor$`
	answers := map[string]int{}
	for line := range strings.Lines(out.String()) {
		m := regexp.MustCompile(`^(two instances|one stopped): (\d+) ` + answer).FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Fatalf("got the line %q", line)
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		answers[m[1]] += n
		if m[1] == "one stopped" && m[3] != "v2" {
			t.Errorf("a stopped instance answered: %q", line)
		}
	}
	if answers["two instances"] != 20 || answers["one stopped"] != 20 {
		t.Errorf("got %v, want 20 answers each in:\n%s", answers, out.String())
	}
}
