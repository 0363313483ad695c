// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// Full reports whether scenarios run in full length (ENMESH_SCENARIOS=full, as make
// scenarios sets it).
func Full() bool { return os.Getenv("ENMESH_SCENARIOS") == "full" }

// Short is how long a fault of length d lasts in this run: d in full length, and at most
// 15 s otherwise.
func Short(d time.Duration) time.Duration {
	if Full() {
		return d
	}
	return min(d, 15*time.Second)
}

// Baseline notes how many goroutines and open files there are, and fails the test when at
// its very end, after all clean-ups that were registered later, there are more: two of
// each are forgiven, and 5 s are given. Call it first. Open files are counted on Linux only.
func Baseline(t testing.TB) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles()
	t.Cleanup(func() {
		const more = 2
		deadline := time.Now().Add(5 * time.Second)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for runtime.NumGoroutine() > goroutines+more || openFiles() > files+more {
			if time.Now().After(deadline) {
				t.Errorf("ledger: at the end %d goroutines and %d open files, at the beginning %d and %d\n%s",
					runtime.NumGoroutine(), openFiles(), goroutines, files, stacks())
				return
			}
			<-tick.C
		}
		t.Logf("at the end %d goroutines and %d open files, at the beginning %d and %d",
			runtime.NumGoroutine(), openFiles(), goroutines, files)
	})
}

// openFiles is how many descriptors this process has open; 0 where that is not to be had.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// stacks are those of all goroutines, those alike counted together.
func stacks() string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a Builder does not fail
	return b.String()
}
