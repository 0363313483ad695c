// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestScenarioD9_indexMovesForNothing: the registry's index moves every 10 ms, as when
// its other services change, and the data do not. The registry is asked twice at once and
// then every 5 s, and the clusters hear of nothing.
func TestScenarioD9_indexMovesForNothing(t *testing.T) {
	const every, burst = 5 * time.Second, 2
	l := newLab(t, 3)
	l.settled()
	load := l.load(100)
	told := l.updates()
	before := len(l.registry.Requests(healthPath))
	last := ledger.Short(60 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	touched := 0
	for end := time.After(last); end != nil; {
		select {
		case <-end:
			end = nil
		case <-tick.C:
			l.registry.Touch(shop)
			touched++
		}
	}
	// One more is the query that was blocking when it began.
	asked, most := len(l.registry.Requests(healthPath))-before, burst+1+int(last/every)
	t.Logf("%d moves of the index in %v: %d requests", touched, last, asked)
	if asked > most {
		t.Errorf("%d requests in %v, want at most %d and one in %v", asked, last, burst, every)
	}
	if n := len(told.list()); n != 0 {
		t.Errorf("%d updates of the cluster, want none", n)
	}
	l.none(load)
}
