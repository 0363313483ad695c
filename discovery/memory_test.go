// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleNewMemory() {
	registry := discovery.NewMemory()
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{"127.0.0.1:9080"}})
	for eps, err := range registry.Watch(context.Background(), "reviews") {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("endpoints:", len(eps))
		if len(eps) == 2 {
			break
		}
		registry.Set("reviews", eps[0], discovery.Endpoint{Addrs: []string{"127.0.0.1:9090"}})
	}
	// Output:
	// endpoints: 1
	// endpoints: 2
}

func at(addrs ...string) discovery.Endpoint { return discovery.Endpoint{Addrs: addrs} }

func TestMemory_watchersSeeChangesAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m discovery.Memory
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		one, two := collect(ctx, &m, "a"), collect(ctx, &m, "a")
		step := func(f func()) { f(); synctest.Wait() }
		step(func() {})
		step(func() { m.Set("a", at("x:1"), at("y:1")) })
		step(func() { m.Set("a", at("y:1"), at("x:1")) }) // the same set
		step(func() { m.Set("other", at("z:1")) })
		step(func() { m.Set("a", at("y:1")) })
		step(func() { m.Remove("a") })
		step(func() { m.Remove("a") })
		cancel()
		for _, c := range []*collector{one, two} {
			c.wait(t)
			c.want(t, "error discovery: unknown service*", "set x:1 y:1", "set y:1", "set ")
		}
	})
}

func TestMemory_slowWatcherSeesTheLatestAndBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := discovery.NewMemory()
		m.Set("a", at("0:1"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hold, got := make(chan struct{}), make(chan string)
		go func() {
			defer close(got)
			for eps := range m.Watch(ctx, "a") {
				got <- eps[0].Addrs[0]
				<-hold
			}
		}()
		if first := <-got; first != "0:1" {
			t.Fatalf("first = %s, want 0:1", first)
		}
		for i := 1; i <= 100; i++ {
			m.Set("a", at(fmt.Sprint(i, ":1")))
		}
		close(hold)
		if next := <-got; next != "100:1" {
			t.Errorf("next = %s, want 100:1", next)
		}
		cancel()
		if more, open := <-got; open {
			t.Errorf("yielded %s after the end", more)
		}
	})
}

func TestMemory_changeThereAndBackIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := discovery.NewMemory()
		m.Set("a", at("x:1"))
		ctx, cancel := context.WithCancel(t.Context())
		n, hold := 0, make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range m.Watch(ctx, "a") {
				n++
				<-hold
			}
		}()
		synctest.Wait()
		m.Set("a", at("y:1"))
		m.Set("a", at("x:1"))
		close(hold)
		synctest.Wait()
		cancel()
		<-done
		if n != 1 {
			t.Errorf("yields = %d, want 1", n)
		}
	})
}

func TestMemory_registrationLivesAsLongAsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := discovery.NewMemory()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		watch := collect(ctx, m, "a")
		synctest.Wait()
		old, endOld := context.WithCancel(ctx)
		young, endYoung := context.WithCancel(ctx)
		var wg sync.WaitGroup
		register := func(ctx context.Context, id, addr string) {
			wg.Go(func() {
				if err := m.Register(ctx, discovery.Instance{Service: "a", ID: id, Endpoint: at(addr)}); err != nil {
					t.Errorf("Register %s: %v", id, err)
				}
			})
			synctest.Wait()
		}
		register(old, "1", "x:1")
		register(ctx, "2", "y:1")
		register(young, "1", "x:2") // a new holder of the same ID
		endOld()                    // takes nothing from the new holder
		synctest.Wait()
		endYoung()
		synctest.Wait()
		cancel()
		wg.Wait()
		watch.wait(t)
		watch.want(t, "error *", "set x:1", "set x:1 y:1", "set y:1 x:2", "set y:1")
		last := collectOnce(m, "a")
		if len(last) != 0 {
			t.Errorf("after all ended: %v, want the empty set", last)
		}
	})
}

// collectOnce is the present set of a service that is known.
func collectOnce(r discovery.Resolver, service string) []discovery.Endpoint {
	for eps, err := range r.Watch(context.Background(), service) {
		if err == nil {
			return eps
		}
	}
	return nil
}

func TestMemory_registerRefusesWhatCannotBeReached(t *testing.T) {
	m := discovery.NewMemory()
	for name, in := range map[string]discovery.Instance{
		"no service": {ID: "1", Endpoint: at("x:1")},
		"no id":      {Service: "a", Endpoint: at("x:1")},
		"no address": {Service: "a", ID: "1"},
	} {
		if err := m.Register(t.Context(), in); err == nil {
			t.Errorf("%s: registered", name)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Register(ended, discovery.Instance{Service: "a", ID: "1", Endpoint: at("x:1")}); err != nil {
		t.Errorf("Register with an ended context = %v, want nil", err)
	}
}

func TestMemory_manyWritersAndWatchers(t *testing.T) {
	m := discovery.NewMemory()
	ctx, cancel := context.WithCancel(t.Context())
	var watchers, writers sync.WaitGroup
	for i := range 8 {
		service := fmt.Sprint("s", i%2)
		watchers.Go(func() {
			for eps, err := range m.Watch(ctx, service) {
				if err == nil && len(eps) == 1 && eps[0].Addrs[0] == "last" {
					return
				}
			}
		})
		writers.Go(func() {
			for j := range 200 {
				m.Set(service, at(fmt.Sprint(i, j)))
			}
		})
	}
	writers.Wait()
	m.Set("s0", at("last"))
	m.Set("s1", at("last"))
	watchers.Wait()
	cancel()
}
