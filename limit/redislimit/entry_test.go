// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

const start0 = enmesh.Instant(1000 * time.Second)

func config(t *testing.T, rate float64, burst int) Config {
	t.Helper()
	cfg, err := Config{Name: "n", Rate: rate, Burst: burst}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// drain takes what the share has at t.
func drain(e *entry, t enmesh.Instant, s share) int {
	n := 0
	for {
		if v, _ := e.takeShare(t, s); v != admitted {
			return n
		}
		n++
	}
}

// What the share admits and Redis's bucket would have lost is owed, and nothing else.
func TestEntry_owesWhatRedisMissed(t *testing.T) {
	cfg := config(t, 100, 40)
	s := cfg.share(4) // 25 a second, 10 at once
	tests := []struct {
		name   string
		left   float64 // in Redis, when it was last heard of
		outage time.Duration
		calls  int // taken at the end of the outage
		later  time.Duration
		want   float64
	}{
		{"none taken", 40, time.Second, 0, 0, 0},
		{"a short outage", 0, 200 * time.Millisecond, 5, 0, 5},
		{"a long one, when Redis's bucket has filled", 0, time.Hour, 10, 0, 10},
		{"a full bucket", 40, time.Millisecond, 10, 0, 10},
		{"half of it long ago", 40, time.Millisecond, 10, 200 * time.Millisecond, 5},
		{"all of it long ago", 40, time.Millisecond, 10, time.Hour, 0},
	}
	for _, tt := range tests {
		e := &entry{}
		e.answered(start0, grant{permits: 1, left: tt.left}, 1, cfg, 4)
		now := start0.Add(tt.outage)
		for i := range tt.calls {
			if v, _ := e.takeShare(now, s); v != admitted {
				t.Errorf("%s: call %d of %d is refused", tt.name, i, tt.calls)
			}
		}
		if got := e.owed(now.Add(tt.later), s); got < tt.want-1e-6 || got > tt.want+1e-6 {
			t.Errorf("%s: %v owed, want %v", tt.name, got, tt.want)
		}
	}
}

// What is taken from the share while an ask is under way is owed after its answer.
func TestEntry_owesWhatWasTakenMeanwhile(t *testing.T) {
	cfg := config(t, 100, 40)
	e, s := &entry{}, cfg.share(4)
	if got := drain(e, start0, s); got != 10 {
		t.Fatalf("%d admitted, want the share of 10", got)
	}
	now := start0.Add(80 * time.Millisecond) // two more in the share
	if got := e.owed(now, s); got != 8 {
		t.Errorf("%v owed, want the 10 less the 2 that have come back", got)
	}
	e.aside = 0
	if got := drain(e, now, s); got != 2 {
		t.Errorf("%d admitted while Redis is asked, want 2", got)
	}
	e.answered(now, grant{permits: 1, left: 20}, 1, cfg, 4)
	if got := e.owed(now, s); got != 2 {
		t.Errorf("%v owed after the answer, want 2", got)
	}
	if got := drain(e, now, s); got != 3 { // a quarter of 20, less 2
		t.Errorf("%d admitted by the share of what is left, want 3", got)
	}
}

// Leases follow the demand, within their bounds.
func TestEntry_sizesLeases(t *testing.T) {
	cfg := config(t, 1000, 1000)
	e, now := &entry{}, start0
	var sizes []int
	for _, calls := range []int{0, 1, 2, 50, 50, 50, 50, 50, 50, 500, 500, 500, 0, 0, 0, 0, 0, 0, 0, 0} { // in 100 ms each
		e.taken = calls
		sizes = append(sizes, e.wanted(now, cfg, 1))
		now = now.Add(cfg.Lease)
	}
	want := []int{1, 1, 2, 4, 8, 16, 32, 50, 50, 100, 100, 100, 50, 25, 13, 7, 4, 2, 1, 1}
	for i := range want {
		if sizes[i] != want[i] {
			t.Fatalf("got the sizes %v, want %v", sizes, want)
		}
	}
	none := cfg
	none.Lease = -1
	small := config(t, 1000, 1)
	for _, cfg := range []Config{none, small} {
		e := &entry{since: start0, taken: 1000}
		if got := e.wanted(start0.Add(time.Millisecond), cfg, 9); got != 1 {
			t.Errorf("%+v: a lease of %d, want 1", cfg, got)
		}
	}
}

// A lease ends, and with it what was not used.
func TestEntry_losesWhatIsNotUsed(t *testing.T) {
	cfg := config(t, 1000, 1000)
	e := &entry{}
	e.answered(start0, grant{permits: 3, left: 10}, 3, cfg, 1)
	if v, _ := e.take(start0); v != admitted {
		t.Errorf("a permit in hand: got %v, want admitted", v)
	}
	if v, _ := e.take(start0.Add(2 * cfg.Lease)); v != unknown {
		t.Errorf("a permit of an old lease: got %v, want unknown", v)
	}
	later := start0.Add(3 * cfg.Lease)
	e.answered(later, grant{permits: 1, wait: 300 * time.Millisecond}, 5, cfg, 1)
	if v, _ := e.take(later); v != admitted {
		t.Errorf("the one permit given: got %v, want admitted", v)
	}
	if v, wait := e.take(later); v != refused || wait != 300*time.Millisecond {
		t.Errorf("one more: got %v, %v; want it refused for the 300ms that Redis says", v, wait)
	}
	if e.idle(later, cfg.share(1)) || !e.idle(later.Add(time.Second), cfg.share(1)) {
		t.Error("a key may be forgotten while it is refused, or never")
	}
}

func TestConfig_holds(t *testing.T) {
	for _, tt := range []struct {
		rate       float64
		burst      int
		wait, want time.Duration
	}{
		{1000, 1000, time.Millisecond, 10 * time.Millisecond}, // a tenth of a lease
		{1000, 1, time.Millisecond, time.Millisecond},         // the bucket would run over
		{1000, 10, 0, 5 * time.Millisecond},
		{0.1, 1, 9 * time.Second, 9 * time.Second},
	} {
		if got := config(t, tt.rate, tt.burst).hold(tt.wait); got != tt.want {
			t.Errorf("rate %v, burst %d, wait %v: got %v, want %v", tt.rate, tt.burst, tt.wait, got, tt.want)
		}
	}
}

// The number of instances rises at once, and falls when ten heartbeats in a row say so.
func TestMembers_fallSlowly(t *testing.T) {
	var m members
	for i, tt := range []struct{ counted, times, want int }{
		{1, 1, 1}, {4, 1, 4}, {1, 9, 4}, {4, 1, 4}, {2, 9, 4}, {3, 1, 3}, {0, 10, 1}, {1 << 30, 1, maxInstances},
	} {
		got := 0
		for range tt.times {
			got = m.counted(tt.counted)
		}
		if got != tt.want {
			t.Errorf("step %d: %d after %d times %d, want %d", i, got, tt.times, tt.counted, tt.want)
		}
	}
}

// A group opens after three failures in a row, and only a probe closes it.
func TestGroup_opensAndCloses(t *testing.T) {
	var g group
	for i, tt := range []struct {
		do   func()
		open bool
	}{
		{func() { g.failed("a"); g.failed("a") }, false},
		{g.succeeded, false},
		{func() { g.failed("a"); g.failed("b") }, false},
		{func() { g.failed("c") }, true},
		{g.succeeded, true},
		{g.recovered, false},
		{func() { g.failed("a") }, false},
	} {
		tt.do()
		if g.open.Load() != tt.open {
			t.Errorf("step %d: open %v, want %v", i, g.open.Load(), tt.open)
		}
	}
	if got := *g.probe.Load(); got != "c" {
		t.Errorf("it probes %q, want the key that failed last, c", got)
	}
}
