// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
)

// walk is the steps of the example, what bookinfo is started with for each, and whether one
// is in force.
var walk = map[string]struct {
	cfg   app.Config
	holds func(r *running) bool
}{
	"01-all-v1.yaml": {holds: func(r *running) bool { return r.reviewVersions(30, "")["v1"] == 30 }},
	"02-90-10.yaml": {holds: func(r *running) bool {
		got := r.reviewVersions(100, "")
		return got["v1"] > 60 && got["v2"] > 0 && got["v3"] == 0
	}},
	"03-user-to-v2.yaml": {holds: func(r *running) bool {
		return r.reviewVersions(20, "luciana")["v2"] == 20 && r.reviewVersions(20, "")["v1"] == 20
	}},
	"04-delay.yaml": {holds: func(r *running) bool {
		asked := slices.DeleteFunc(r.pages(8, "luciana"), func(p answer) bool { return p.version() == "v1" })
		return len(asked) > 0 && !slices.ContainsFunc(asked, func(p answer) bool { return p.took < 2*time.Second })
	}},
	"05-abort.yaml": {holds: func(r *running) bool {
		return slices.ContainsFunc(r.pages(8, "luciana"), func(p answer) bool { return strings.Contains(p.body, "ratings cannot be had") })
	}},
	"06-timeout.yaml": {holds: func(r *running) bool {
		return slices.ContainsFunc(r.pages(8, ""), func(p answer) bool { return strings.Contains(p.body, "reviews of this book cannot be had") })
	}},
	"07-retries.yaml": {app.Config{Flaky: 30}, func(r *running) bool {
		before := r.edge("reviews", "ratings", "v1", "http")
		failures(40, r.askers()["http"])
		after := r.edge("reviews", "ratings", "v1", "http")
		return after.Attempts-before.Attempts > after.Requests-before.Requests
	}},
	"08-breaker.yaml": {app.Config{Ratings: 2, Flaky: 100}, func(r *running) bool {
		return failures(40, r.askers()["http"]) == 0
	}},
}

// Each step is copied over the folder of a bookinfo that runs, as cp does, and is in force
// then and not before.
func TestSteps_overTheRunningFolder(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(example, "steps", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	if want := slices.Sorted(maps.Keys(walk)); !slices.Equal(names, want) {
		t.Fatalf("the steps are %v, want %v", names, want)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			step := walk[name]
			r := start(t, "", step.cfg)
			if step.holds(r) {
				t.Fatal("it is in force before it is copied")
			}
			target, data := r.stepOf(name)
			if err := os.WriteFile(filepath.Join(r.dir, target), data, 0o600); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			eventually(t, 2*shiftWithin, "the step is in force", func() bool { return step.holds(r) })
			t.Logf("in force after %v", time.Since(begin))
		})
	}
}
