// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleNewCache() {
	registry := discovery.NewMemory()
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{"127.0.0.1:9080"}})
	cache, err := discovery.NewCache(registry, discovery.CacheConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cache.Close() }() // it writes no files, and so cannot fail
	for eps := range cache.Watch(context.Background(), "reviews") {
		fmt.Println("endpoints:", len(eps))
		break
	}
	fmt.Println(cache.Status().Services[0].State)
	// Output:
	// endpoints: 1
	// live
}

// newCache makes a Cache that ends with the test.
func newCache(t *testing.T, r discovery.Resolver, cfg discovery.CacheConfig) *discovery.Cache {
	t.Helper()
	c, err := discovery.NewCache(r, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// bubble runs f in a bubble, with a context that ends before the bubble does.
func bubble(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f(t, ctx)
	})
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// only is the status of the one service there is.
func only(t *testing.T, c *discovery.Cache) discovery.ServiceStatus {
	t.Helper()
	s := c.Status().Services
	if len(s) != 1 {
		t.Fatalf("services = %+v, want one", s)
	}
	return s[0]
}

func TestNewCache_refusesWhatMakesNoSense(t *testing.T) {
	m := discovery.NewMemory()
	for _, tt := range []struct {
		name string
		r    discovery.Resolver
		cfg  discovery.CacheConfig
		want string
	}{
		{"no resolver", nil, discovery.CacheConfig{}, "needs a resolver"},
		{"wait", m, discovery.CacheConfig{Wait: -1}, "Wait"},
		{"confirm", m, discovery.CacheConfig{Guard: discovery.Guard{Confirm: -1}}, "Confirm"},
		{"least", m, discovery.CacheConfig{Guard: discovery.Guard{Least: time.Second}}, "Least"},
		{"most", m, discovery.CacheConfig{Guard: discovery.Guard{Most: time.Second}}, "Most"},
		{"drop", m, discovery.CacheConfig{Guard: discovery.Guard{MaxDrop: 1.5}}, "MaxDrop"},
		{"drop below", m, discovery.CacheConfig{Guard: discovery.Guard{MaxDrop: -0.5}}, "MaxDrop"},
	} {
		if _, err := discovery.NewCache(tt.r, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error about %s", tt.name, err, tt.want)
		}
	}
}

func TestCache_oneWatchForAllReaders(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		c := newCache(t, &s, discovery.CacheConfig{})
		s.say(at("x:1"))
		readers, leave := context.WithCancel(ctx)
		var all []*collector
		for range 50 {
			all = append(all, collect(readers, c, "a"))
		}
		pass(time.Second)
		s.say(at("y:1"))
		pass(time.Second)
		if got := only(t, c); got.Readers != 50 || got.State != discovery.Live || !got.Known || got.Endpoints != 1 {
			t.Errorf("status %+v", got)
		}
		leave()
		for _, r := range all {
			r.wait(t)
			r.want(t, "set x:1", "set y:1")
		}
		pass(29 * time.Second) // it lingers
		late := collect(ctx, c, "a")
		pass(time.Minute)
		late.want(t, "set y:1")
		if open, opened, most := s.counts(); open != 1 || opened != 1 || most != 1 {
			t.Errorf("watches: %d open, %d opened, %d at once; want one of each", open, opened, most)
		}
	})
}

func TestCache_endsTheWatchOfTheLastReaderAfterAWhile(t *testing.T) {
	for _, linger := range []time.Duration{0, -1} {
		bubble(t, func(t *testing.T, ctx context.Context) {
			var s script
			s.say(at("x:1"))
			c := newCache(t, &s, discovery.CacheConfig{Linger: linger})
			one, leave := context.WithCancel(ctx)
			r := collect(one, c, "a")
			pass(time.Second)
			leave()
			r.wait(t)
			if linger == 0 {
				pass(29 * time.Second)
				if open, _, _ := s.counts(); open != 1 {
					t.Errorf("the watch did not linger")
				}
				pass(time.Second)
			}
			synctest.Wait()
			if open, _, _ := s.counts(); open != 0 || len(c.Status().Services) != 0 {
				t.Errorf("linger %v: %d watches open, status %+v", linger, open, c.Status())
			}
		})
	}
}

func TestCache_firstFailurePoisonsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		c := newCache(t, &s, discovery.CacheConfig{})
		early := collect(ctx, c, "a")
		synctest.Wait()
		s.fail("refused")
		pass(time.Second)
		if got := only(t, c); got.State != discovery.Failing || got.Known || got.Err == nil {
			t.Errorf("status %+v", got)
		}
		late := collect(ctx, c, "a")
		synctest.Wait()
		s.say(at("x:1"))
		synctest.Wait()
		early.want(t, "error refused", "set x:1")
		late.want(t, "error refused", "set x:1")
	})
}

func TestCache_keepsTheLastGoodSetThroughAnOutageAndLogsLittle(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(at("x:1"))
		c := newCache(t, &s, discovery.CacheConfig{})
		r := collect(ctx, c, "a")
		pass(time.Second)
		for i := range 600 { // ten minutes, a text a second
			s.fail(fmt.Sprint("refused from port ", i))
			pass(time.Second)
		}
		got := only(t, c)
		if got.Staleness(time.Now()) != 10*time.Minute || got.State != discovery.Failing || got.Endpoints != 1 || got.Errors != 600 {
			t.Errorf("status %+v, staleness %v", got, got.Staleness(time.Now()))
		}
		late := collect(ctx, c, "a")
		synctest.Wait()
		late.want(t, "set x:1", "error refused from*")
		s.say(at("x:1"))
		pass(time.Second)
		r.mu.Lock()
		errs := len(r.events) - 2
		last := r.events[len(r.events)-1]
		r.mu.Unlock()
		if errs > 61 || errs < 50 || last != "set x:1" {
			t.Errorf("%d errors told in 600 s and at last %q, want about 60, and the set to say that it is over", errs, last)
		}
		if got := only(t, c); got.State != discovery.Live || got.Staleness(time.Now()) != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestCache_tellsAChangedErrorLaterAndAnUnknownServiceAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		c := newCache(t, &s, discovery.CacheConfig{})
		r := collect(ctx, c, "a")
		synctest.Wait()
		s.fail("one")
		synctest.Wait()
		s.fail("two")
		synctest.Wait()
		r.want(t, "error one")
		s.tell(line{err: discovery.ErrUnknownService})
		synctest.Wait()
		r.want(t, "error one", "error discovery: unknown service")
		s.fail("three")
		synctest.Wait()
		s.fail("four")
		pass(9 * time.Second)
		r.want(t, "error one", "error discovery: unknown service", "error three")
		pass(time.Second)
		r.want(t, "error one", "error discovery: unknown service", "error three", "error four")
	})
}

// That a registry does not know a service, and then says so with the empty set, is
// told to those who come when both are said; not once it has named somebody.
func TestCache_tellsAnUnknownServiceToLateReaders(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		s := &script{}
		c := newCache(t, s, discovery.CacheConfig{})
		collect(ctx, c, "reviews")
		synctest.Wait()
		s.tell(line{err: discovery.ErrUnknownService})
		s.say()
		synctest.Wait()
		late := collect(ctx, c, "reviews")
		synctest.Wait()
		late.want(t, "error discovery: unknown service", "set ")
		s.say(at("x:1"))
		time.Sleep(time.Second)
		synctest.Wait()
		later := collect(ctx, c, "reviews")
		synctest.Wait()
		later.want(t, "set x:1")
	})
}

func TestCache_beginsAgainWhenAResolverEndsItsWatch(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(at("x:1"))
		c := newCache(t, &s, discovery.CacheConfig{})
		r := collect(ctx, c, "a")
		pass(time.Second)
		for range 20 {
			s.tell(line{ends: true})
			pass(time.Second)
		}
		s.say(at("y:1"))
		pass(11 * time.Second)
		if got := only(t, c); got.State != discovery.Live || got.Err == nil {
			t.Errorf("status %+v, want live, and the error remembered", got)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if last := r.events[len(r.events)-1]; last != "set y:1" {
			t.Errorf("last = %q, want y:1; all: %q", last, r.events)
		}
	})
}

func TestCache_debounces(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(at("0:1"))
		c := newCache(t, &s, discovery.CacheConfig{})
		var when []time.Duration
		var what []string
		begin := time.Now()
		go func() {
			for eps := range c.Watch(ctx, "a") {
				when = append(when, time.Since(begin))
				what = append(what, eps[0].Addrs[0])
			}
		}()
		pass(10 * time.Second)
		for i := range 10 {
			s.say(at(fmt.Sprint(i+1, ":1")))
			pass(110 * time.Millisecond)
		}
		pass(time.Second)
		s.say(at("11:1"))
		synctest.Wait()
		s.say(at("12:1"))
		synctest.Wait()
		s.say(at("11:1")) // there and back is no change
		pass(time.Second)
		ms := time.Millisecond
		wantWhen := []time.Duration{0, 10_000 * ms, 10_250 * ms, 10_500 * ms, 10_750 * ms, 11_000 * ms, 12_100 * ms}
		wantWhat := []string{"0:1", "1:1", "3:1", "5:1", "7:1", "10:1", "11:1"}
		if !slices.Equal(when, wantWhen) || !slices.Equal(what, wantWhat) {
			t.Errorf("told %v at %v, want %v at %v", what, when, wantWhat, wantWhen)
		}
	})
}

func TestCache_closeEndsEverything(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(at("x:1"))
		c := newCache(t, &s, discovery.CacheConfig{})
		r := collect(ctx, c, "a")
		pass(time.Second)
		if err := c.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if open, _, _ := s.counts(); open != 0 {
			t.Errorf("%d watches open", open)
		}
		late := collect(ctx, c, "a")
		pass(time.Minute)
		r.want(t, "set x:1")
		late.want(t, "error discovery: the cache is closed")
	})
}
