// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	const good = `{"from": "productpage", "to": "reviews", "version": "v1", "protocol": "http",
		"requests": 10, "attempts": 10, "failures": 0, "codes": {"200": 10}, "p50_ms": 1.5, "p99_ms": 9}`
	tests := []struct {
		name, in string
		want     string // part of the error or of a problem; "" is all well
	}{
		{"well", `{"edges": [` + good + `], "policy_errors": []}`, ""},
		{"well without errors field", `{"edges": [` + good + `]}`, ""},
		{"null errors", `{"edges": [` + good + `], "policy_errors": null}` + "\n", ""},
		{"empty input", "", "not the example's JSON object"},
		{"no JSON", "listening on :9080", "not the example's JSON object"},
		{"two objects", `{"edges": [` + good + `]} {}`, "more than one"},
		{"no edges", `{"edges": []}`, "no edges"},
		{"no requests", `{"edges": [{"from": "a", "to": "b"}]}`, "no requests"},
		{"unnamed", `{"edges": [{"to": "b", "requests": 1, "attempts": 1}]}`, "no name"},
		{"failed", `{"edges": [{"from": "a", "to": "b", "requests": 2, "attempts": 2, "failures": 1}]}`, "1 of 2 requests failed"},
		{"no attempts", `{"edges": [{"from": "a", "to": "b", "requests": 2, "attempts": 1}]}`, "1 attempts for 2 requests"},
		{"policy error", `{"edges": [` + good + `], "policy_errors": ["policy: a.yaml:3: no"]}`, "policy: a.yaml:3: no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			s, err := read(strings.NewReader(tt.in))
			if err != nil {
				got = err.Error()
			} else {
				got = strings.Join(s.problems(), "\n")
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
