// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestScenarioD15_endpointFlaps: an instance is healthy and critical by turns. The clusters
// are told at most every 250 ms, calls do not suffer, and the connections to the other
// instances are those from before.
func TestScenarioD15_endpointFlaps(t *testing.T) {
	ledger.Baseline(t)
	for _, tt := range []struct {
		name  string
		every time.Duration
		last  time.Duration
	}{
		{"every 500 ms", 500 * time.Millisecond, ledger.Short(30 * time.Second)},
		{"every 50 ms", 50 * time.Millisecond, ledger.Short(30*time.Second) / 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it waits more than it works
			l := openLab(t, 5)
			l.settled()
			load := l.load(150)
			l.within(10*time.Second, "all backends are called", func() bool { return len(load.Report().Servers) == len(l.backends) })
			l.sleep(time.Second) // each of them over each protocol
			dialled := make([]int64, len(l.backends))
			for i, b := range l.backends {
				dialled[i] = b.conn.Load()
			}
			told := l.updates()
			flaps := l.flap(tt.every, tt.last)
			load.Stop()
			r := load.Wait().With(&l.receipts)
			t.Log(r)
			if float64(r.OK) < 0.999*float64(r.Sent) || r.Duplicated != 0 {
				t.Errorf("%d of %d calls answered, %d duplicated; want 99.9 %% and none", r.OK, r.Sent, r.Duplicated)
			}
			nearest := wantApart(t, told.list(), 250*time.Millisecond)
			t.Logf("%d flaps, %d updates, the nearest two %v apart", flaps, len(told.list()), nearest.Round(time.Millisecond))
			for i, b := range l.backends[1:] {
				if got := b.conn.Load() - dialled[i+1]; got != 0 {
					t.Errorf("%s was dialled %d times more, and has not changed", b.name, got)
				}
			}
		})
	}
}

// flap has the first backend change its health until time is up, and counts how often.
func (l *lab) flap(every, last time.Duration) (flaps int) {
	l.t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for end := time.After(last); ; flaps++ {
		select {
		case <-end:
			return flaps
		case <-tick.C:
		}
		all := l.instances()
		if flaps%2 == 0 {
			all[0].Status = "critical"
		}
		l.registry.Set(shop, all...)
	}
}

// wantApart wants updates at least so far apart, and at least two of them. A timer that
// fires late brings an update closer to the one after it: a tenth is forgiven.
func wantApart(t *testing.T, told []update, apart time.Duration) (nearest time.Duration) {
	t.Helper()
	if len(told) < 2 {
		t.Fatalf("%d updates, want some", len(told))
	}
	nearest = time.Hour
	for i := range told[1:] {
		nearest = min(nearest, told[i+1].at.Sub(told[i].at))
	}
	if nearest < apart*9/10 {
		t.Errorf("two updates came %v apart, want %v", nearest, apart)
	}
	if span := told[len(told)-1].at.Sub(told[0].at); time.Duration(len(told)-1) > span/apart+1 {
		t.Errorf("%d updates in %v, want one in %v", len(told), span, apart)
	}
	return nearest
}
