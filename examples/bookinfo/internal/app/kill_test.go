// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestKill_losesNoCall: one of two instances dies under 200 calls a second, a hundred
// over each protocol, and the registry goes on naming it.
func TestScenarioKill_losesNoCall(t *testing.T) {
	const every, killAt = 10 * time.Millisecond, time.Second
	run := 3 * time.Second
	if os.Getenv("ENMESH_SCENARIOS") == "full" {
		run = 30 * time.Second
	}
	r := start(t, "", app.Config{Ratings: 2})
	var lost, sent atomic.Int64
	var wg sync.WaitGroup
	for protocol, ask := range r.askers() {
		wg.Go(func() {
			var calls sync.WaitGroup
			defer calls.Wait()
			begin := time.Now()
			for due := time.Duration(0); due < run; due += every {
				<-time.After(time.Until(begin.Add(due)))
				sent.Add(1)
				calls.Go(func() {
					if err := ask(); err != nil {
						lost.Add(1)
						t.Errorf("over %s: %v", protocol, err)
					}
				})
			}
		})
	}
	<-time.After(killAt)
	r.node("ratings-v1-0").Kill()
	wg.Wait()
	t.Logf("%d of %d calls lost", lost.Load(), sent.Load())
	for _, protocol := range []string{"http", "grpc"} {
		e := r.edge("reviews", "ratings", "v1", protocol)
		t.Logf("over %s: %d requests, %d attempts, codes %v, p99 %v", protocol, e.Requests, e.Attempts, e.Codes, e.P99)
	}
}
