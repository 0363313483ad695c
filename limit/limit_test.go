// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

// gate is what every limit that does not wait is, one key's share of a Keyed included.
type gate interface {
	enmesh.Gate
	AllowAt(t enmesh.Instant, n int) bool
	Middleware() enmesh.Middleware
}

// oneKey is a Keyed limit as its key "" sees it.
type oneKey struct{ *limit.Keyed }

func (k oneKey) AllowAt(t enmesh.Instant, n int) bool { return k.Keyed.AllowAt(t, "", n) }

func must[T any](tb testing.TB) func(T, error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func keyed(tb testing.TB, each limit.Each) gate {
	tb.Helper()
	return oneKey{must[*limit.Keyed](tb)(limit.NewKeyed(limit.KeyedConfig{By: limit.ByHeader("x-key"), Each: each}))}
}

// algorithms is every limit that does not wait, as one that lets through n units in a
// second or at once, and then none for about as long.
func algorithms(tb testing.TB, n int, terms limit.Terms) map[string]gate {
	tb.Helper()
	bucket := limit.Config{Rate: float64(n), Burst: n, Terms: terms}
	fixed := limit.FixedConfig{Limit: n, Window: time.Second, Terms: terms}
	sliced := limit.CounterConfig{Limit: n, Window: time.Second, Terms: terms}
	two := limit.CounterConfig{Limit: n, Window: time.Second, Slices: 1, Terms: terms}
	return map[string]gate{
		"token bucket":       must[*limit.TokenBucket](tb)(limit.NewTokenBucket(bucket)),
		"fixed window":       must[*limit.FixedWindow](tb)(limit.NewFixedWindow(fixed)),
		"sliding log":        must[*limit.SlidingLog](tb)(limit.NewSlidingLog(limit.LogConfig{Limit: n, Window: time.Second, Terms: terms})),
		"sliding counter":    must[*limit.SlidingCounter](tb)(limit.NewSlidingCounter(sliced)),
		"two windows":        must[*limit.SlidingCounter](tb)(limit.NewSlidingCounter(two)),
		"keyed bucket":       keyed(tb, bucket),
		"keyed fixed window": keyed(tb, fixed),
		"keyed two windows":  keyed(tb, two),
	}
}

// refusal is the *enmesh.Error of Admit, or nil.
func refusal(g enmesh.Gate, c *enmesh.Call) *enmesh.Error {
	_, err := g.Admit(context.Background(), c)
	return enmesh.ErrorOf(err)
}

func TestAlgorithms_takeWhatACallCosts(t *testing.T) {
	for name, g := range algorithms(t, 10, limit.Terms{Cost: 4}) {
		c := &enmesh.Call{Clock: start}
		for i, admitted := range []bool{true, true, false} {
			if e := refusal(g, c); (e == nil) != admitted {
				t.Errorf("%s: call %d of 4 units: %v, want admitted %v", name, i+1, e, admitted)
			}
		}
		if !g.AllowAt(start, 2) || g.AllowAt(start, 1) || !g.AllowAt(start, 0) || !g.AllowAt(start, -1) {
			t.Errorf("%s: of 10 units 8 are taken: want 2 to go, then none but those of no cost", name)
		}
	}
}

func TestAlgorithms_askWhatACallCosts(t *testing.T) {
	cost := 0
	for name, g := range algorithms(t, 10, limit.Terms{CostBy: limit.CostOf(func(*enmesh.Call) int { return cost })}) {
		c := &enmesh.Call{Clock: start}
		for _, tt := range []struct {
			cost     int
			admitted bool
			never    bool
		}{{0, true, false}, {11, false, true}, {-1, true, false}, {10, true, false}, {1, false, false}, {0, true, false}} {
			cost = tt.cost
			e := refusal(g, c)
			if (e == nil) != tt.admitted || e != nil && (e.RetryAfter < 0) != tt.never {
				t.Errorf("%s: cost %d: %#v, want admitted %v, else never %v", name, tt.cost, e, tt.admitted, tt.never)
			}
		}
	}
}

// Who comes back when a refusal says so gets through, and who comes well before does not.
func TestAlgorithms_tellWhenACallWouldPass(t *testing.T) {
	for name, g := range algorithms(t, 100, limit.Terms{}) {
		at := start.Add(130 * time.Millisecond)
		for i := range 300 {
			c := &enmesh.Call{Clock: at}
			e := refusal(g, c)
			if e == nil {
				continue
			}
			if !errors.Is(e, limit.ErrLimited) || e.Code != enmesh.ResourceExhausted || e.Status != 429 ||
				e.Flag != enmesh.FlagRateLimited || e.Outcome != enmesh.Neutral || !e.Unsent || e.Policy != "limit" {
				t.Fatalf("%s: got %#v, want ErrLimited, 429, RL, neutral, unsent", name, e)
			}
			if e.RetryAfter <= 0 || e.RetryAfter > 2*time.Second {
				t.Fatalf("%s: call %d: retry after %v, want within 2s", name, i, e.RetryAfter)
			}
			if e.RetryAfter > 2*time.Millisecond && g.AllowAt(at.Add(e.RetryAfter/2), 1) {
				t.Fatalf("%s: call %d goes after half of %v", name, i, e.RetryAfter)
			}
			at = at.Add(e.RetryAfter)
			if !g.AllowAt(at, 1) {
				t.Fatalf("%s: call %d does not go after the %v it was told", name, i, e.RetryAfter)
			}
		}
	}
}

func TestAlgorithms_countOldReadingsAsTheLatest(t *testing.T) {
	for name, g := range algorithms(t, 10, limit.Terms{}) {
		for range 10 {
			g.AllowAt(start.Add(5*time.Second), 1)
		}
		for _, back := range []time.Duration{0, time.Second, 4 * time.Second, 500 * time.Second} {
			if g.AllowAt(start.Add(5*time.Second-back), 1) {
				t.Errorf("%s: a reading %v old gets more than the limit", name, back)
			}
		}
	}
}

func TestAlgorithms_answerWithTheStatusThatIsSet(t *testing.T) {
	for name, g := range algorithms(t, 1, limit.Terms{Status: 503}) {
		c := &enmesh.Call{Clock: start}
		_ = refusal(g, c)
		if e := refusal(g, c); e == nil || e.Status != 503 || e.Code != enmesh.ResourceExhausted {
			t.Errorf("%s: %#v, want 503 and ResourceExhausted", name, e)
		}
	}
}

func TestAlgorithms_conform(t *testing.T) {
	for _, n := range []int{1, 1000} {
		for name := range algorithms(t, n, limit.Terms{}) {
			t.Run(name+" gate", func(t *testing.T) {
				enmeshtest.TestGate(t, func() enmesh.Gate { return algorithms(t, n, limit.Terms{})[name] })
			})
			t.Run(name+" middleware", func(t *testing.T) {
				enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return algorithms(t, n, limit.Terms{})[name].Middleware() })
			})
		}
	}
}

func TestAlgorithms_allocateNothing(t *testing.T) {
	for what, n := range map[string]int{"admitting": 1 << 19, "refusing": 1} {
		for name, g := range algorithms(t, n, limit.Terms{}) {
			if name == "sliding log" && n > 1 {
				continue // it writes down what it admits
			}
			next := g.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
			c := &enmesh.Call{Clock: start, Header: enmeshtest.Header{"X-Key": {"who"}}}
			allocs := testing.AllocsPerRun(1000, func() {
				c.Clock++
				_ = next(context.Background(), c)
			})
			if allocs != 0 {
				t.Errorf("%s, %s: %v allocations, want 0", name, what, allocs)
			}
		}
	}
}

func TestConfigs_refuseNonsense(t *testing.T) {
	ok := time.Second
	tests := map[string]func() error{
		"no rate":        func() error { _, err := limit.NewTokenBucket(limit.Config{}); return err },
		"negative rate":  func() error { _, err := limit.NewTokenBucket(limit.Config{Rate: -1}); return err },
		"not a number":   func() error { _, err := limit.NewTokenBucket(limit.Config{Rate: math.NaN()}); return err },
		"infinite":       func() error { _, err := limit.NewLeakyBucket(limit.LeakyConfig{Rate: math.Inf(1)}); return err },
		"huge rate":      func() error { _, err := limit.NewLeakyBucket(limit.LeakyConfig{Rate: 2e9}); return err },
		"negative wait":  func() error { _, err := limit.NewLeakyBucket(limit.LeakyConfig{Rate: 1, MaxWait: -1}); return err },
		"negative burst": func() error { _, err := limit.NewTokenBucket(limit.Config{Rate: 1, Burst: -1}); return err },
		"no limit":       func() error { _, err := limit.NewFixedWindow(limit.FixedConfig{Window: ok}); return err },
		"no window":      func() error { _, err := limit.NewFixedWindow(limit.FixedConfig{Limit: 1}); return err },
		"short window":   func() error { _, err := limit.NewSlidingLog(limit.LogConfig{Limit: 1, Window: 1}); return err },
		"long window":    func() error { _, err := limit.NewSlidingLog(limit.LogConfig{Limit: 1, Window: 1 << 60}); return err },
		"long log":       func() error { _, err := limit.NewSlidingLog(limit.LogConfig{Limit: 1e6 + 1, Window: ok}); return err },
		"huge limit": func() error {
			_, err := limit.NewSlidingCounter(limit.CounterConfig{Limit: 1 << 40, Window: ok})
			return err
		},
		"negative slices": func() error {
			_, err := limit.NewSlidingCounter(limit.CounterConfig{Limit: 1, Window: ok, Slices: -1})
			return err
		},
		"many slices": func() error {
			_, err := limit.NewSlidingCounter(limit.CounterConfig{Limit: 1, Window: ok, Slices: 1001})
			return err
		},
		"no By":              func() error { _, err := limit.NewKeyed(limit.KeyedConfig{Each: limit.Config{Rate: 1}}); return err },
		"no Each":            func() error { _, err := limit.NewKeyed(limit.KeyedConfig{By: limit.ByPath()}); return err },
		"bad Each":           func() error { return newKeyed(limit.ByPath(), limit.Config{}, 0) },
		"bad window of each": func() error { return newKeyed(limit.ByPath(), limit.FixedConfig{Limit: 1}, 0) },
		"slices of each":     func() error { return newKeyed(limit.ByPath(), limit.CounterConfig{Limit: 1, Window: ok, Slices: 2}, 0) },
		"negative MaxKeys":   func() error { return newKeyed(limit.ByPath(), limit.Config{Rate: 1}, -1) },
		"huge MaxKeys":       func() error { return newKeyed(limit.ByPath(), limit.Config{Rate: 1}, 1e9) },
		"no header":          func() error { return newKeyed(limit.ByHeader(""), limit.Config{Rate: 1}, 0) },
		"no function":        func() error { return newKeyed(limit.ByFunc(nil), limit.Config{Rate: 1}, 0) },
		"long prefix":        func() error { return newKeyed(limit.BySource(33, 0), limit.Config{Rate: 1}, 0) },
		"negative prefix":    func() error { return newKeyed(limit.BySource(0, -1), limit.Config{Rate: 1}, 0) },
		"no keys":            func() error { return newKeyed(limit.ByAll(), limit.Config{Rate: 1}, 0) },
		"nil among keys":     func() error { return newKeyed(limit.ByAll(nil), limit.Config{Rate: 1}, 0) },
		"bad among keys":     func() error { return newKeyed(limit.ByAll(limit.ByHeader("")), limit.Config{Rate: 1}, 0) },
		"five keys": func() error {
			p := limit.ByPath()
			return newKeyed(limit.ByAll(p, p, p, p, p), limit.Config{Rate: 1}, 0)
		},
	}
	for name, terms := range map[string]limit.Terms{
		"negative cost": {Cost: -1}, "cost above the limit": {Cost: 6}, "status 200": {Status: 200}, "status 600": {Status: 600},
		"unknown headers": {Headers: 9}, "quote in the name": {Name: `a"b`}, "line in the name": {Name: "a\r\nb"},
	} {
		tests[name] = func() error {
			_, err := limit.NewTokenBucket(limit.Config{Rate: 1, Burst: 5, Terms: terms})
			return err
		}
		tests[name+", fixed"] = func() error {
			_, err := limit.NewFixedWindow(limit.FixedConfig{Limit: 5, Window: ok, Terms: terms})
			return err
		}
		tests[name+", log"] = func() error {
			_, err := limit.NewSlidingLog(limit.LogConfig{Limit: 5, Window: ok, Terms: terms})
			return err
		}
		tests[name+", counter"] = func() error {
			_, err := limit.NewSlidingCounter(limit.CounterConfig{Limit: 5, Window: ok, Terms: terms})
			return err
		}
	}
	for name, build := range tests {
		if err := build(); err == nil {
			t.Errorf("%s is accepted, want an error", name)
		} else if msg := err.Error(); len(msg) < 8 || msg[:7] != "limit: " {
			t.Errorf("%s: error %q does not begin with the package", name, msg)
		}
	}
}

func newKeyed(by limit.Key, each limit.Each, most int) error {
	_, err := limit.NewKeyed(limit.KeyedConfig{By: by, Each: each, MaxKeys: most})
	return err
}

// A reload keeps the state of what did not change: configs are compared.
func TestConfigs_areComparable(t *testing.T) {
	cost := limit.CostOf(func(*enmesh.Call) int { return 1 })
	build := func() limit.KeyedConfig {
		return limit.KeyedConfig{
			By:   limit.ByAll(limit.ByHeader("a"), limit.ByPath(), limit.BySource(0, 56)),
			Each: limit.Config{Rate: 1, Terms: limit.Terms{CostBy: cost}},
		}
	}
	one, same, other := build(), build(), build()
	other.By = limit.ByAll(limit.ByHeader("b"), limit.ByPath(), limit.BySource(0, 56))
	if one != same || one == other {
		t.Error("two equal configs differ, or two different ones do not")
	}
}
