// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// open makes a quota with a client of its own; both end with the test.
func open(t testing.TB, s redislimit.Servers, cfg redislimit.Config, key func(*enmesh.Call) string) *redislimit.Quota {
	t.Helper()
	client, err := redislimit.Connect(s)
	if err != nil {
		t.Fatal(err)
	}
	q, err := redislimit.New(client, cfg, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		_ = client.Close() // the servers may be gone
	})
	return q
}

func at(addr string) redislimit.Servers { return redislimit.Servers{Addrs: []string{addr}} }

// fleet is n quotas of one name.
func fleet(t testing.TB, n int, s redislimit.Servers, cfg redislimit.Config, key func(*enmesh.Call) string) []*redislimit.Quota {
	t.Helper()
	var all []*redislimit.Quota
	for range n {
		all = append(all, open(t, s, cfg, key))
	}
	return all
}

// admit asks the quota for one call, and returns how it was decided.
func admit(q *redislimit.Quota, authority string) error {
	c := &enmesh.Call{Authority: authority, Clock: enmesh.Now()}
	_, err := q.Admit(context.Background(), c)
	return err
}

// take counts what of n calls is admitted.
func take(q *redislimit.Quota, authority string, n int) int {
	admitted := 0
	for range n {
		if admit(q, authority) == nil {
			admitted++
		}
	}
	return admitted
}

func byAuthority(c *enmesh.Call) string { return c.Authority }

// sample is one decision under load.
type sample struct {
	at       time.Duration // since the start of the load
	took     time.Duration
	admitted bool
}

// load is open-loop calls on a fleet.
type load struct {
	start time.Time
	stop  chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex // guards all
	all   []sample
}

// offer starts to ask each quota for so many calls a second, from eight callers, until
// the load is ended. A caller that is late makes up for it.
func offer(quotas []*redislimit.Quota, perSecond int) *load {
	const callers = 8
	l := &load{start: time.Now(), stop: make(chan struct{})}
	for _, q := range quotas {
		for i := range callers {
			l.wg.Go(func() { l.call(q, time.Second*callers/time.Duration(perSecond), time.Duration(i)*time.Millisecond) })
		}
	}
	return l
}

func (l *load) call(q *redislimit.Quota, every, offset time.Duration) {
	var own []sample
	due := l.start.Add(offset)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(due))
		select {
		case <-l.stop:
			l.mu.Lock()
			l.all = append(l.all, own...)
			l.mu.Unlock()
			return
		case <-timer.C:
		}
		began := time.Now()
		err := admit(q, "")
		own = append(own, sample{began.Sub(l.start), time.Since(began), err == nil})
		due = due.Add(every)
	}
}

// end stops the load and returns its samples in order.
func (l *load) end() samples {
	close(l.stop)
	l.wg.Wait()
	slices.SortFunc(l.all, func(a, b sample) int { return int(a.at - b.at) })
	return l.all
}

// for lets the load run on until so long after its start.
func (l *load) until(d time.Duration) {
	timer := time.NewTimer(time.Until(l.start.Add(d)))
	defer timer.Stop()
	<-timer.C
}

type samples []sample

// within are those between two times.
func (s samples) within(from, to time.Duration) samples {
	var some samples
	for _, x := range s {
		if x.at >= from && x.at < to {
			some = append(some, x)
		}
	}
	return some
}

func (s samples) admitted() int {
	n := 0
	for _, x := range s {
		if x.admitted {
			n++
		}
	}
	return n
}

// slowest is the time that the share p of the decisions did not take longer than.
func (s samples) slowest(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	var took []time.Duration
	for _, x := range s {
		took = append(took, x.took)
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(p*float64(len(took))))]
}

func (s samples) String() string {
	return fmt.Sprintf("%d of %d admitted, p50 %v, p99 %v, most %v", s.admitted(), len(s), s.slowest(0.5), s.slowest(0.99), s.slowest(1))
}

// asked sums a fleet's round trips.
func asked(quotas []*redislimit.Quota) (n uint64) {
	for _, q := range quotas {
		n += q.Stats().Asked
	}
	return n
}

// known waits until every quota knows how many there are.
func known(t testing.TB, quotas []*redislimit.Quota) {
	t.Helper()
	await(t, "every instance to know of all", func() bool {
		for _, q := range quotas {
			if q.Stats().Instances != len(quotas) {
				return false
			}
		}
		return true
	})
}

func await(t testing.TB, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
		<-tick.C
	}
}

// mostStill is how long this process may stand still, for others that the machine serves,
// in a test that judges what came in time: no longer than a round trip may take.
const mostStill = redislimit.DefaultTimeout

// unlessStill fails the test for what try finds wrong. Where the process stood still
// meanwhile it tries again, up to three times in all: what is wrong the last time counts.
func unlessStill(t *testing.T, try func() (wrong []string)) {
	t.Helper()
	for n := 1; ; n++ {
		longest := stillness()
		wrong := try()
		still := longest()
		if len(wrong) == 0 {
			return
		}
		if n == 3 || still <= mostStill {
			t.Errorf("%s (this process stood still for %v at most)", strings.Join(wrong, "; "), still)
			return
		}
		t.Logf("tried again, since this process stood still for %v: %s", still, strings.Join(wrong, "; "))
	}
}

// stillness watches for how long this process does not run, until it is asked for the longest time.
func stillness() (longest func() time.Duration) {
	stop, most := make(chan struct{}), make(chan time.Duration)
	go func() {
		const every = 5 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		var still time.Duration
		for last := time.Now(); ; {
			select {
			case <-stop:
				most <- still
				return
			case <-tick.C:
			}
			now := time.Now()
			still, last = max(still, now.Sub(last)-every), now
		}
	}()
	return func() time.Duration { close(stop); return <-most }
}
