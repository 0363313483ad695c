// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Calls go on while endpoints come, go, drain and are ejected, and while the policy
// changes; afterwards nothing is in flight.
func TestCluster_callsGoOnWhileEverythingChanges(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	var mu sync.Mutex
	every := map[*balance.Endpoint]bool{}
	cancel := c.Subscribe(func(s *balance.Set) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range s.Added {
			every[e] = true
		}
	})
	defer cancel()
	c.Apply(told(5, unequal))
	stop := make(chan struct{})
	var writers, callers sync.WaitGroup
	for _, a := range production() { // a seeded source is one goroutine's
		writers.Go(func() { change(c, a, stop) })
	}
	for range 2 {
		callers.Go(func() {
			var adm balance.Admission
			for i := range uint64(3000) {
				e, err := c.Picker().Pick(&enmesh.Call{Key: i % 100})
				if errors.Is(err, balance.ErrNoEndpoint) {
					continue
				}
				now := enmesh.Now()
				if err := e.Admit(context.Background(), nil, now, &adm); err != nil {
					t.Error(err)
					return
				}
				adm.Release(enmesh.Result{Ended: now.Add(time.Millisecond)})
			}
		})
	}
	callers.Wait()
	close(stop)
	writers.Wait()
	mu.Lock()
	defer mu.Unlock()
	for e := range every {
		if n := e.InFlight(); n != 0 {
			t.Errorf("%s: in flight = %d, want 0", e.Addr(), n)
		}
	}
	if n := balance.LeftOver(c); n != 0 {
		t.Errorf("counted in flight = %d, want 0", n)
	}
}

// change goes through lists and configurations until stop.
func change(c *balance.Cluster, a balance.Algorithm, stop chan struct{}) {
	gates := func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{openGate{}} }
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Microsecond): // the callers run
		}
		eps := told(1+i%7, unequal)
		eps[0].Draining = i%3 == 0
		c.Apply(eps)
		if i%5 == 0 {
			c.Configure(balance.ClusterConfig{Algorithm: a, Gates: gates, Subsetting: balance.SubsetConfig{Size: i % 4}})
		}
		for _, e := range c.Set().Endpoints {
			e.Eject(enmesh.Now().Add(time.Microsecond))
			e.Keep("x", func() any { return i })
		}
	}
}
