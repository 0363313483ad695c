// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/balance"
)

func TestSubscribe_startsWithAllThatIsThere(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	var sets []*balance.Set
	early := c.Subscribe(func(s *balance.Set) { sets = append(sets, s) })
	if len(sets) != 0 {
		t.Fatalf("heard %d sets before the first, want 0", len(sets))
	}
	c.Apply(at("a", "b"))
	c.Apply(at("b", "c"))
	var late *balance.Set
	cancel := c.Subscribe(func(s *balance.Set) { late = s })
	if len(sets) != 2 || late == nil {
		t.Fatalf("heard %d sets, late one %v; want 2 and one", len(sets), late)
	}
	if got := addrs(late.Added); !slices.Equal(got, []string{"b:80", "c:80"}) || late.Removed != nil {
		t.Errorf("late subscriber heard added %q, removed %d; want all, none", got, len(late.Removed))
	}
	if got := addrs(sets[1].Removed); !slices.Equal(got, []string{"a:80"}) {
		t.Errorf("second set removed %q, want a", got)
	}
	early()
	cancel()
	cancel()
	c.Apply(nil)
	if len(sets) != 2 || late.Version != 2 {
		t.Error("heard of a set after cancel")
	}
}

func TestSubscribe_inOrderAndNeverAtOnce(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	var running atomic.Int32
	var last uint64
	heard := map[*balance.Endpoint]bool{}
	cancel := c.Subscribe(func(s *balance.Set) {
		if running.Add(1) != 1 {
			t.Error("called twice at once")
		}
		if last != 0 && s.Version != last+1 {
			t.Errorf("version %d after %d", s.Version, last)
		}
		last = s.Version
		for _, e := range s.Removed {
			delete(heard, e)
		}
		for _, e := range s.Added {
			heard[e] = true
		}
		if len(heard) != len(s.Endpoints) {
			t.Errorf("version %d: differences add up to %d endpoints, want %d", s.Version, len(heard), len(s.Endpoints))
		}
		running.Add(-1)
	})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				c.Apply(told(1+(i+g)%7, nil))
				if i%50 == 0 {
					c.Configure(balance.ClusterConfig{})
				}
			}
		})
	}
	for range 50 {
		c.Subscribe(func(*balance.Set) {})()
	}
	wg.Wait()
	cancel()
	if want := c.Set().Version; last != want {
		t.Errorf("last version heard = %d, want %d", last, want)
	}
}

func TestSubscribe_cancelWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		calls, over := 0, false
		cancel := c.Subscribe(func(*balance.Set) {
			calls++
			time.Sleep(time.Second)
			over = true
		})
		go c.Apply(at("a"))
		synctest.Wait()
		c.Apply(at("b")) // queued behind the first, on the other goroutine
		start := time.Now()
		cancel()
		if !over || time.Since(start) != time.Second {
			t.Errorf("cancel returned after %v, call over: %t; want 1s, true", time.Since(start), over)
		}
		synctest.Wait()
		if calls != 1 {
			t.Errorf("calls = %d, want 1: the second was still queued", calls)
		}
	})
}

func TestSubscribe_mayChangeTheCluster(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	var versions []uint64
	cancel := c.Subscribe(func(s *balance.Set) {
		versions = append(versions, s.Version)
		if s.Version < 3 {
			c.Apply(told(int(s.Version), nil))
		}
	})
	defer cancel()
	c.Apply(nil)
	if !slices.Equal(versions, []uint64{1, 2, 3}) {
		t.Errorf("versions heard = %v, want 1 2 3", versions)
	}
}

func TestSubscribe_survivesAPanic(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	cancel := c.Subscribe(func(*balance.Set) { panic("subscriber") })
	func() {
		defer func() { _ = recover() }()
		c.Apply(nil)
	}()
	done := make(chan struct{})
	go func() { cancel(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("cancel hangs after a panic")
	}
}
