// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/shed"
)

const serviceTime = 50 * time.Millisecond

// diner is a call that goes through a queue and keeps its slot for a time.
type diner struct {
	q    *shed.Queue
	wg   sync.WaitGroup
	mu   sync.Mutex
	ends []string      // who was served, in the order of their beginnings
	most time.Duration // that one waited who was served
	said map[string]error
}

func newDiner(q *shed.Queue) *diner { return &diner{q: q, said: map[string]error{}} }

func (d *diner) come(ctx context.Context, name string) {
	d.wg.Go(func() {
		c := &enmesh.Call{Clock: enmesh.Now()}
		came := c.Clock
		token, err := d.q.Admit(ctx, c)
		d.mu.Lock()
		d.said[name] = err
		if err == nil {
			d.ends = append(d.ends, name)
			d.most = max(d.most, enmesh.Now().Sub(came))
		}
		d.mu.Unlock()
		if err == nil {
			time.Sleep(serviceTime)
			d.q.Done(token, enmesh.Result{Ended: enmesh.Now()})
		}
	})
	synctest.Wait()
}

// told is what a call was told.
func (d *diner) told(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said[name]
}

func (d *diner) served() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.ends, " ")
}

func TestQueue_servesABurstInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiner(mustQueue(t, shed.QueueConfig{Slots: 1, Interval: 120 * time.Millisecond}))
		for _, name := range []string{"a", "b", "c", "d"} {
			d.come(of[2], name)
		}
		d.wg.Wait()
		if d.served() != "a b c" || !errors.Is(d.told("d"), shed.ErrOverloaded) {
			t.Errorf("served %s, d was told %v; want a, b and c, within 120 ms", d.served(), d.told("d"))
		}
		if d.q.InFlight() != 0 || d.q.Waiting() != 0 {
			t.Errorf("%d run and %d wait at the end", d.q.InFlight(), d.q.Waiting())
		}
	})
}

func TestQueue_servesWhatMattersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiner(mustQueue(t, shed.QueueConfig{Slots: 1, Interval: time.Second}))
		for i, name := range []string{"first", "sheddable", "sheddable plus", "critical", "critical plus"} {
			d.come(of[max(0, i-1)], name)
		}
		d.wg.Wait()
		if want := "first critical plus critical sheddable plus sheddable"; d.served() != want {
			t.Errorf("served %s, want %s", d.served(), want)
		}
	})
}

func TestQueue_refusesTheLeastWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiner(mustQueue(t, shed.QueueConfig{Slots: 1, Waiting: 2, Interval: time.Second}))
		d.come(of[0], "runs")
		d.come(of[1], "plus")
		d.come(of[0], "least")
		d.come(of[0], "least, late")
		if err := d.told("least, late"); !errors.Is(err, shed.ErrOverloaded) {
			t.Errorf("the third to wait is told %v, want ErrOverloaded at once", err)
		}
		d.come(of[2], "critical")
		if err := d.told("least"); !errors.Is(err, shed.ErrOverloaded) {
			t.Errorf("the least is told %v, want to make room", err)
		}
		d.wg.Wait()
		if want := "runs critical plus"; d.served() != want {
			t.Errorf("served %s, want %s", d.served(), want)
		}
	})
}

// A queue that stands serves who came last, and keeps nobody waiting for long; one that
// has been empty is patient again.
func TestQueue_losesItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustQueue(t, shed.QueueConfig{Slots: 10, Waiting: 1000})
		var served, refused int
		var mu sync.Mutex
		var longest time.Duration
		var wg sync.WaitGroup
		begin := time.Now()
		for range 6000 { // ten times what it can serve, for 3 s
			wg.Go(func() {
				c := &enmesh.Call{Clock: enmesh.Now()}
				came := time.Now()
				token, err := q.Admit(of[2], c)
				mu.Lock()
				if waited := time.Since(came); time.Since(begin) > time.Second {
					longest = max(longest, waited)
				}
				if err != nil {
					refused++
					mu.Unlock()
					return
				}
				served++
				mu.Unlock()
				time.Sleep(serviceTime)
				q.Done(token, enmesh.Result{Ended: enmesh.Now()})
			})
			time.Sleep(500 * time.Microsecond)
		}
		wg.Wait()
		t.Logf("%d served, %d refused; nobody waited longer than %v after the first second", served, refused, longest)
		if longest > 5*time.Millisecond || served < 550 {
			t.Errorf("%d served, the longest wait is %v; want nearly 600, and Target", served, longest)
		}
	})
}

// A crowd of what matters less does not shorten the patience with what matters more.
func TestQueue_isPatientByLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mustQueue(t, shed.QueueConfig{Slots: 1})
		var wg sync.WaitGroup
		var lost [4]atomic.Int64
		come := func(rank int) {
			wg.Go(func() {
				token, err := q.Admit(of[rank], &enmesh.Call{Clock: enmesh.Now()})
				if err != nil {
					lost[rank].Add(1)
					return
				}
				time.Sleep(serviceTime)
				q.Done(token, enmesh.Result{Ended: enmesh.Now()})
			})
		}
		for i := range 1000 {
			come(0)
			if i%20 == 0 { // half of what it can serve
				come(2)
			}
			time.Sleep(5 * time.Millisecond)
		}
		wg.Wait()
		t.Logf("lost: %d sheddable of 1000, %d critical of 50", lost[0].Load(), lost[2].Load())
		if lost[2].Load() != 0 || lost[0].Load() < 900 {
			t.Errorf("%d critical and %d sheddable lost, want 0 and most", lost[2].Load(), lost[0].Load())
		}
	})
}

func TestQueue_endsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiner(mustQueue(t, shed.QueueConfig{Slots: 1, Interval: time.Second}))
		ctx, cancel := context.WithCancel(context.Background())
		d.come(ctx, "runs")
		d.come(ctx, "waits")
		cancel()
		synctest.Wait()
		if err := d.told("waits"); !errors.Is(err, context.Canceled) || enmesh.OutcomeOf(err) != enmesh.Neutral || d.q.Waiting() != 0 {
			t.Errorf("who gave up is told %v, and %d wait; want Canceled and 0", err, d.q.Waiting())
		}
		d.wg.Wait()
	})
}

// Whatever ends a wait, slots are neither lost nor given twice.
func TestQueue_isExactUnderContention(t *testing.T) {
	q := mustQueue(t, shed.QueueConfig{Slots: 4, Waiting: 8, Interval: time.Millisecond, Target: 100 * time.Microsecond})
	var running, most, served atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithTimeout(of[(i+n)%4], time.Duration(n%7)*100*time.Microsecond)
				token, err := q.Admit(ctx, &enmesh.Call{Clock: enmesh.Now()})
				if err == nil {
					r := running.Add(1)
					for m := most.Load(); r > m; m = most.Load() {
						most.CompareAndSwap(m, r)
					}
					<-time.After(50 * time.Microsecond)
					served.Add(1)
					running.Add(-1)
					q.Done(token, enmesh.Result{Ended: enmesh.Now()})
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if most.Load() > 4 || served.Load() == 0 || q.InFlight() != 0 || q.Waiting() != 0 {
		t.Errorf("%d ran at once, %d served, %d run and %d wait at the end; want at most 4, some, 0 and 0",
			most.Load(), served.Load(), q.InFlight(), q.Waiting())
	}
}

func TestQueue_refusesBadConfigs(t *testing.T) {
	for want, cfg := range map[string]shed.QueueConfig{
		"Slots": {}, "Waiting": {Slots: 1, Waiting: -1}, "Interval": {Slots: 1, Interval: -1},
		"Target": {Slots: 1, Target: time.Second},
	} {
		if _, err := shed.NewQueue(cfg); err == nil || !strings.HasPrefix(err.Error(), "shed: "+want) {
			t.Errorf("%+v: got %v, want an error about %s", cfg, err, want)
		}
	}
}

func TestQueue_conforms(t *testing.T) {
	for name, slots := range map[string]int64{"wide": 1000, "tight": 1} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestGate(t, func() enmesh.Gate { return mustQueue(t, shed.QueueConfig{Slots: slots}) })
		})
	}
}

func TestQueue_allocatesNothing(t *testing.T) {
	q, full := mustQueue(t, shed.QueueConfig{Slots: 1}), mustQueue(t, shed.QueueConfig{Slots: 1, Waiting: 1})
	c := &enmesh.Call{Clock: enmesh.Now()}
	_, _ = full.Admit(of[2], c)
	ctx, cancel := context.WithCancel(of[2])
	waits := make(chan struct{})
	go func() { defer close(waits); _, _ = full.Admit(ctx, &enmesh.Call{Clock: enmesh.Now()}) }()
	for full.Waiting() == 0 {
		<-time.After(time.Millisecond)
	}
	n := testing.AllocsPerRun(1000, func() {
		token, _ := q.Admit(of[2], c)
		q.Done(token, enmesh.Result{})
		_, _ = full.Admit(of[2], c)
	})
	cancel()
	<-waits
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkQueue(b *testing.B) {
	b.Run("admit", func(b *testing.B) {
		q := mustQueue(b, shed.QueueConfig{Slots: 1000})
		c := &enmesh.Call{Clock: 1}
		b.ReportAllocs()
		for b.Loop() {
			token, _ := q.Admit(of[2], c)
			q.Done(token, enmesh.Result{Ended: 1})
		}
	})
	b.Run("admit in parallel", func(b *testing.B) {
		q := mustQueue(b, shed.QueueConfig{Slots: 1000})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			c := &enmesh.Call{Clock: 1}
			for pb.Next() {
				token, _ := q.Admit(of[2], c)
				q.Done(token, enmesh.Result{Ended: 1})
			}
		})
	})
	b.Run("hand over", func(b *testing.B) { // every call waits for the one before
		q := mustQueue(b, shed.QueueConfig{Slots: 1, Waiting: 1000, Interval: time.Hour, Target: time.Hour})
		b.SetParallelism(4)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			c := &enmesh.Call{Clock: 1}
			for pb.Next() {
				token, err := q.Admit(of[2], c)
				if err == nil {
					q.Done(token, enmesh.Result{Ended: 1})
				}
			}
		})
	})
}
