// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// guarded is a resolver in a Cache with one reader that has seen the first set.
type guarded struct {
	*discovery.Cache
	ctx    context.Context
	reader *collector
	begin  time.Time
}

func guard(ctx context.Context, t *testing.T, r discovery.Resolver, g discovery.Guard) *guarded {
	t.Helper()
	c := newCache(t, r, discovery.CacheConfig{Guard: g})
	w := &guarded{c, ctx, collect(ctx, c, "a"), time.Time{}}
	pass(time.Minute) // a quiet service
	w.begin = time.Now()
	return w
}

// wantAt lets time go by until d after the beginning, and compares what the status
// says then.
func (w *guarded) wantAt(t *testing.T, d time.Duration, endpoints, kept int, suppressed uint64) {
	t.Helper()
	pass(time.Until(w.begin.Add(d)))
	got := only(t, w.Cache)
	if got.Endpoints != endpoints || got.Kept != kept || got.Suppressed != suppressed {
		t.Errorf("after %v: %d endpoints, %d of them kept, %d suppressed; want %d, %d, %d",
			d, got.Endpoints, got.Kept, got.Suppressed, endpoints, kept, suppressed)
	}
}

const almost = time.Second - time.Millisecond

// TestGuard_emptySetThatIsConfirmed: asked after 5 and 10 s, the registry says the same,
// and is believed.
func TestGuard_emptySetThatIsConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s asked
		s.say(hosts(10)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		s.say()
		w.wantAt(t, 0, 10, 10, 1)
		if got := only(t, w.Cache); got.State != discovery.Doubting || !got.StaleSince.Equal(w.begin) {
			t.Errorf("status %+v", got)
		}
		w.wantAt(t, 9*time.Second+almost, 10, 10, 1)
		w.wantAt(t, 10*time.Second, 0, 0, 1)
		if n := s.questions(); n != 2 || s.times[0].Sub(w.begin) != 5*time.Second || s.times[1].Sub(w.begin) != 10*time.Second {
			t.Errorf("asked at %v, want after 5 and 10 s", s.times)
		}
		if got := only(t, w.Cache); got.State != discovery.Live || got.Staleness(time.Now()) != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestGuard_setThatRecoversCancels(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s asked
		s.say(hosts(10)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		s.say()
		w.wantAt(t, 8*time.Second, 10, 10, 1)
		s.say(hosts(10)...)
		w.wantAt(t, 60*time.Second, 10, 0, 1)
		w.reader.want(t, "set h0:1 h1:1 h2:1 h3:1 h4:1 h5:1 h6:1 h7:1 h8:1 h9:1") // nothing has happened
		s.say()
		w.wantAt(t, 69*time.Second, 10, 10, 2)
		w.wantAt(t, 70*time.Second, 0, 0, 2)
	})
}

// TestGuard_registryThatCannotBeAskedIsBelievedAtLast: the watch says it once, and Most
// is the end of the doubt.
func TestGuard_registryThatCannotBeAskedIsBelievedAtLast(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(hosts(10)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		s.say()
		w.wantAt(t, 29*time.Second+almost, 10, 10, 1)
		w.wantAt(t, 30*time.Second, 0, 0, 1)
	})
}

func TestGuard_wrapperThatCannotAskCountsAsOneThatCannotBeAsked(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(hosts(10)...)
		w := guard(ctx, t, discovery.Merge(&s), discovery.Guard{})
		s.say()
		w.wantAt(t, 29*time.Second+almost, 10, 10, 1)
		w.wantAt(t, 30*time.Second, 0, 0, 1)
	})
}

// TestGuard_outageConfirmsNothing: after the empty answer the registry is gone.
func TestGuard_outageConfirmsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s asked
		s.say(hosts(10)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		s.say()
		s.refuse(errors.New("refused"))
		w.wantAt(t, 10*time.Minute, 10, 10, 1)
		if got := only(t, w.Cache); got.State != discovery.Failing || got.Staleness(time.Now()) != 10*time.Minute {
			t.Errorf("status %+v", got)
		}
		s.refuse(nil) // it is back, and says the same
		w.wantAt(t, 10*time.Minute+10*time.Second, 0, 0, 1)
		if got := only(t, w.Cache); got.State != discovery.Live {
			t.Errorf("status %+v", got)
		}
	})
}

func TestGuard_massLossTakesTheNewAndKeepsTheMissing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s asked
		s.say(hosts(100)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		heavy := hosts(2)
		heavy[0].Weight = 7
		s.say(heavy[0], heavy[1], at("new:1"))
		w.wantAt(t, time.Second, 101, 98, 1)
		last := w.last(t)
		if last[0].Weight != 7 || !slices.ContainsFunc(last, at("new:1").Equal) {
			t.Errorf("the doubted set's own endpoints are not in force: %v", last)
		}
		for _, ep := range last[:3] {
			if ep.Unconfirmed {
				t.Errorf("%v is not confirmed, and the registry names it", ep.Addrs)
			}
		}
		if i := slices.IndexFunc(last[3:], func(ep discovery.Endpoint) bool { return !ep.Unconfirmed }); i >= 0 {
			t.Errorf("%v is confirmed, and the registry does not name it", last[3+i].Addrs)
		}
		w.wantAt(t, 9*time.Second+almost, 101, 98, 1)
		w.wantAt(t, 10*time.Second, 3, 0, 1)
	})
}

// last is the set in force.
func (w *guarded) last(t *testing.T) []discovery.Endpoint {
	t.Helper()
	for set, err := range w.Watch(w.ctx, "a") {
		if err == nil {
			return set
		}
	}
	t.Fatal("no set")
	return nil
}

func TestGuard_whatIsALoss(t *testing.T) {
	draining := hosts(4)
	for i := range draining[1:] {
		draining[i+1].Draining = true
	}
	for _, tt := range []struct {
		name          string
		guard         discovery.Guard
		before, after []discovery.Endpoint
		doubted       bool
	}{
		{"half", discovery.Guard{}, hosts(10), hosts(5), false},
		{"over half", discovery.Guard{}, hosts(10), hosts(4), true},
		{"the only one", discovery.Guard{}, hosts(1), nil, true},
		{"all replaced", discovery.Guard{}, hosts(3), []discovery.Endpoint{at("a:1"), at("b:1")}, false},
		{"those that took their leave", discovery.Guard{}, draining, hosts(1), false},
		{"all that are left begin to drain", discovery.Guard{}, hosts(4), draining[1:], true},
		{"nothing before", discovery.Guard{}, nil, nil, false},
		{"trusted", discovery.Guard{Trust: true}, hosts(10), nil, false},
		{"a higher bound", discovery.Guard{MaxDrop: 0.9}, hosts(100), hosts(10), false},
		{"above the higher bound", discovery.Guard{MaxDrop: 0.9}, hosts(100), hosts(9), true},
		{"only the empty set", discovery.Guard{MaxDrop: 1}, hosts(100), hosts(1), false},
		{"the empty set", discovery.Guard{MaxDrop: 1}, hosts(100), nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context) {
				var s asked
				s.say(tt.before...)
				w := guard(ctx, t, &s, tt.guard)
				s.say(tt.after...)
				synctest.Wait()
				if got := only(t, w.Cache).State == discovery.Doubting; got != tt.doubted {
					t.Errorf("doubted = %t, want %t", got, tt.doubted)
				}
			})
		})
	}
}

// TestGuard_answersThatDifferDoNotConfirm: the registry cannot make up its mind, and its
// last word is believed after Most.
func TestGuard_answersThatDifferDoNotConfirm(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		s.say(hosts(10)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		for i := range 14 {
			s.say(hosts(i % 3)...)
			pass(2 * time.Second)
		}
		w.wantAt(t, 29*time.Second+almost, 10, 9, 14)
		w.wantAt(t, 30*time.Second, 1, 0, 14)
	})
}

// TestGuard_answerOlderThanTheWatchIsNotUsed: the answer to a question comes after news
// that are newer.
func TestGuard_answerOlderThanTheWatchIsNotUsed(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s asked
		s.delay = 2 * time.Second
		s.say(hosts(10)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		s.say()
		w.wantAt(t, 6*time.Second, 10, 10, 1) // asked a second ago
		s.say(hosts(9)...)
		w.wantAt(t, 20*time.Second, 9, 0, 1)
	})
}

// TestCache_findsOutWhetherARegistryIsBack, though its watch has gone deaf.
func TestCache_findsOutWhetherARegistryIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s asked
		s.say(hosts(2)...)
		w := guard(ctx, t, &s, discovery.Guard{})
		s.fail("reset")
		w.wantAt(t, time.Second, 2, 0, 0)
		s.mu.Lock()
		s.last = line{set: hosts(3)}
		s.mu.Unlock()
		w.wantAt(t, 29*time.Second+almost, 2, 0, 0)
		w.wantAt(t, 30*time.Second, 3, 0, 0)
		if got := only(t, w.Cache); got.State != discovery.Live {
			t.Errorf("status %+v", got)
		}
	})
}

// TestCache_toldIsNotDoubted: what the registry says is to be had at once, while readers
// keep what they are not to lose yet, over one watch for both.
func TestCache_toldIsNotDoubted(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var s script
		c := newCache(t, &s, discovery.CacheConfig{})
		told := collectFrom(c.Told(ctx, "a"))
		s.say(at("x:1"))
		synctest.Wait()
		reader := collect(ctx, c, "a")
		s.say(at("x:1"), at("y:1"))
		synctest.Wait()
		s.say()
		synctest.Wait()
		told.want(t, "set x:1", "set x:1 y:1", "set ")
		reader.want(t, "set x:1")
		pass(time.Second)
		s.fail("away")
		synctest.Wait()
		s.say()
		synctest.Wait()
		told.want(t, "set x:1", "set x:1 y:1", "set ", "error away", "set ")
		pass(time.Minute)
		told.want(t, "set x:1", "set x:1 y:1", "set ", "error away", "set ")
		if _, opened, _ := s.counts(); opened != 1 {
			t.Errorf("%d watches of the registry, want one", opened)
		}
	})
}
