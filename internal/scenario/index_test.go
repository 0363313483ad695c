// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
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

// TestScenarioD8_indexIsNone: the registry's index is of no use. It is asked once a second
// at most, and a change is seen all the same.
func TestScenarioD8_indexIsNone(t *testing.T) {
	ledger.Baseline(t)
	for name, index := range map[string]string{
		"zero": "0", "missing": "", "not a number": "soon", "above int63": "9223372036854775808",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits more than it works
			l := openLab(t, 4)
			l.registry.Always(healthPath, enmeshtest.ConsulReply{Header: map[string]string{"X-Consul-Index": index}})
			l.settled()
			load := l.load(100)
			l.follows(load, func() {})
			if s := l.status(); s.BadIndexes == 0 || s.Backwards != 0 {
				t.Errorf("%d indexes of no use, %d backwards; want some and none", s.BadIndexes, s.Backwards)
			}
		})
	}
}

// TestScenarioD8_indexGoesBackwards: as after the restore of an old snapshot. The registry
// is asked once from the start, and then the query blocks as ever.
func TestScenarioD8_indexGoesBackwards(t *testing.T) {
	l := newLab(t, 4)
	l.settled()
	next := uint64(1 << 40)
	l.within(5*time.Second, "the watch blocks", l.blocks)
	l.registry.SetIndex(next)
	load := l.load(100)
	l.within(5*time.Second, "the watch has heard of it", func() bool { return l.status().Index == next })
	before := len(l.registry.Requests(healthPath))
	l.follows(load, func() {
		l.within(5*time.Second, "the watch blocks", l.blocks)
		l.registry.SetIndex(next / 1000)
		next /= 2
	})
	s := l.status()
	if s.Backwards == 0 || s.BadIndexes != 0 {
		t.Errorf("%d indexes backwards, %d of no use; want some and none", s.Backwards, s.BadIndexes)
	}
	resets := 0
	for _, r := range l.registry.Requests(healthPath)[before:] {
		if r.Query.Get("index") == "" {
			resets++
		}
	}
	t.Logf("%d indexes backwards, %d questions from the start", s.Backwards, resets)
	if resets != int(s.Backwards) {
		t.Errorf("%d indexes backwards, and %d questions from the start; want one each", s.Backwards, resets)
	}
}

// blocks reports whether a query waits at the registry.
func (l *lab) blocks() bool { return l.registry.Waiting(healthPath) == 1 }

// follows changes the set for a while, an odd thing before each change, and wants every
// change seen soon and the registry asked once a second at most.
func (l *lab) follows(load *ledger.Ledger, odd func()) {
	l.t.Helper()
	const burst, rounds, soon = 2, 3, 2 * time.Second
	between := ledger.Short(60*time.Second) / (3 * rounds)
	before, began := len(l.registry.Requests(healthPath)), time.Now()
	var worst time.Duration
	for i := range rounds {
		odd()
		l.sleep(between)
		some := l.instances()[:len(l.backends)-1+i%2]
		l.registry.Set(shop, some...)
		// Twice the mark is allowed on a machine that is busy with other things.
		worst = max(worst, l.within(2*soon, "the change is known", func() bool { return len(l.endpoints()) == len(some) }))
	}
	asked, took := len(l.registry.Requests(healthPath))-before, time.Since(began)
	l.t.Logf("%d requests in %v, changes seen within %v", asked, took.Round(time.Millisecond), worst.Round(time.Millisecond))
	if most := burst + rounds + int(took/time.Second); asked > most {
		l.t.Errorf("%d requests in %v, want at most %d", asked, took, most)
	}
	l.none(load)
}
