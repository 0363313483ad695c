// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
)

// TestCVE_2019_11253_aliases: a small file of YAML whose aliases stand for aliases, which stand
// for aliases, was read into as many nodes as that comes to (Kubernetes' API server). Such a
// file, and one that holds itself, is refused with its place, and takes no more than a file
// that writes out nearly as many nodes as one may have.
func TestCVE_2019_11253_aliases(t *testing.T) {
	const (
		head  = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
		rules = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {rules: "
	)
	parse := func(text string) (mib float64, err error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = policy.Parse([]policy.File{{Name: "bomb.yaml", Data: []byte(text)}})
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20), err
	}
	names := "[" + strings.Repeat("/x, ", 999) + "/y]"
	most, err := parse(rules + "[" + strings.Repeat("{to: [{operation: {paths: "+names+"}}]}, ", 490) + "]}\n")
	if err != nil {
		t.Fatal(err)
	}
	var levels strings.Builder
	levels.WriteString(head + "spec:\n  hosts: &a0 [\"x\"]\n")
	for i := range 9 {
		fmt.Fprintf(&levels, "  a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	for name, text := range map[string]string{
		"ten levels of nine":   levels.String(),
		"a list that it holds": head + "spec: &a {hosts: [x], http: [{route: [*a]}]}\n",
		"rules that they hold": rules + "&a [{from: *a}, {to: *a}, {when: *a}]}\n",
		"a wide field":         rules + "[{to: [{operation: {paths: &a " + names + "}}]}, " + strings.Repeat("{to: [{operation: {paths: *a}}]}, ", 3000) + "]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			mib, err := parse(text)
			var e *policy.Error
			if !errors.As(err, &e) || len(e.Problems) == 0 || e.Problems[0].Place.File != "bomb.yaml" || e.Problems[0].Place.Line == 0 {
				t.Errorf("got %v, want it refused, with its place", err)
			}
			if mib > 1.5*most {
				t.Errorf("%d bytes took %.0f MiB, want 1.5 times the %.0f at most that a large file takes", len(text), mib, most)
			}
			t.Logf("%.0f MiB, %.0f for a large file", mib, most)
		})
	}
}
