// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
)

var (
	errConnect = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagConnectFailure}
	errBroken  = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectionEnded}
	errTimeout = &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Status: 504, Flag: enmesh.FlagTimeout, Policy: "timeout"}
)

// interval sends calls to every endpoint, some of which fail with err, spread so that no
// two failures follow each other while there are successes enough.
func interval(t *testing.T, eps []*balance.Endpoint, calls int, failures func(i int) int, err error) {
	t.Helper()
	for i, e := range eps {
		bad, due := failures(i), 0
		for range calls {
			if due += bad; due >= calls {
				due -= calls
				end(t, e, 1, err)
			} else {
				end(t, e, 1, nil)
			}
		}
	}
}

// next waits for the next interval and sends one call, which ends the one before.
func next(t *testing.T, e *balance.Endpoint) {
	t.Helper()
	time.Sleep(10 * time.Second)
	end(t, e, 1, nil)
}

func ejected(eps []*balance.Endpoint) (out []int) {
	for i, e := range eps {
		if e.Ejected(enmesh.Now()) {
			out = append(out, i)
		}
	}
	return out
}

func TestDetector_successRate(t *testing.T) {
	on := outlier.SuccessRate{Enabled: true}
	for _, tc := range []struct {
		name     string
		rate     outlier.SuccessRate
		n, calls int
		failures func(i int) int // of each endpoint
		want     []int
	}{
		{"one of ten fails a fifth", on, 10, 100, func(i int) int { return 20 * (i / 9) }, []int{9}},
		{"off", outlier.SuccessRate{}, 10, 100, func(i int) int { return 90 * (i / 9) }, nil},
		{"too few calls", on, 10, 99, func(i int) int { return 20 * (i / 9) }, nil},
		{"too few endpoints", on, 4, 100, func(i int) int { return 20 * (i / 3) }, nil},
		// The mean is 96, the deviation 8: one of five is never 2.1 deviations away.
		{"one of five at the default factor", on, 5, 100, func(i int) int { return 20 * (i / 4) }, []int{4}},
		{"one of five at a larger factor", outlier.SuccessRate{Enabled: true, Factor: 2100}, 5, 100, func(i int) int { return 20 * (i / 4) }, nil},
		{"all alike", on, 10, 300, func(int) int { return 100 }, nil},
		{"fewer endpoints will do", outlier.SuccessRate{Enabled: true, MinHosts: 2, Factor: 900}, 2, 100, func(i int) int { return 20 * i }, []int{1}},
		{"fewer calls will do", outlier.SuccessRate{Enabled: true, Volume: 20}, 10, 20, func(i int) int { return 10 * (i / 9) }, []int{9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, eps := watched(tc.n, outlier.Config{SuccessRate: tc.rate, MaxEjectionPercent: 100})
			interval(t, eps, tc.calls, tc.failures, err500)
			if got := ejected(eps); len(got) != 0 {
				t.Errorf("%s: %v ejected before the interval ended", tc.name, got)
			}
			next(t, eps[0])
			if got := ejected(eps); !slices.Equal(got, tc.want) {
				t.Errorf("%s: ejected %v, want %v", tc.name, got, tc.want)
			}
		})
	}
}

func TestDetector_failurePercentage(t *testing.T) {
	on := outlier.FailurePercentage{Enabled: true}
	for _, tc := range []struct {
		name     string
		rate     outlier.FailurePercentage
		n, calls int
		failures func(i int) int
		want     []int
	}{
		{"85%", on, 5, 100, func(i int) int { return 84 + i/4 }, []int{4}},
		{"off", outlier.FailurePercentage{}, 5, 100, func(int) int { return 90 }, nil},
		{"too few calls", on, 5, 49, func(int) int { return 49 }, nil},
		{"too few endpoints", on, 4, 50, func(int) int { return 50 }, nil},
		{"all of them", on, 5, 50, func(int) int { return 50 }, []int{0, 1, 2, 3, 4}},
		{"of one", outlier.FailurePercentage{Enabled: true, MinHosts: 1, Volume: 5, Threshold: 40}, 1, 5, func(int) int { return 2 }, []int{0}},
		{"above 100", outlier.FailurePercentage{Enabled: true, Threshold: 101}, 5, 50, func(int) int { return 50 }, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, eps := watched(tc.n, outlier.Config{FailurePercentage: tc.rate, MaxEjectionPercent: 100})
			interval(t, eps, tc.calls, tc.failures, err500)
			next(t, eps[0])
			if got := ejected(eps); !slices.Equal(got, tc.want) {
				t.Errorf("%s: ejected %v, want %v", tc.name, got, tc.want)
			}
		})
	}
}

// With room for two, the two worst go, whichever comes first.
func TestDetector_theWorstFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, eps := watched(20, outlier.Config{FailurePercentage: outlier.FailurePercentage{Enabled: true, Threshold: 50}})
		interval(t, eps, 100, func(i int) int { return 40 + (i*7)%20*3 }, err500)
		next(t, eps[0])
		if got, want := ejected(eps), []int{14, 17}; !slices.Equal(got, want) {
			t.Errorf("ejected %v, want %v: those with 97 and 94 failures", got, want)
		}
	})
}

// The interval that counts is the one in which calls ended; no goroutine watches the
// clock, so the first call afterwards does the work, for the time that has passed.
func TestDetector_intervalsNeedNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, eps := watched(10, outlier.Config{SuccessRate: outlier.SuccessRate{Enabled: true}})
		bad := func(i int) int { return 50 * (i / 9) }
		interval(t, eps, 100, bad, err500)
		time.Sleep(25 * time.Second)
		end(t, eps[0], 1, nil)
		if got := eps[9].EjectedUntil().Sub(enmesh.Now()); got != 15*time.Second {
			t.Errorf("15 s after the interval, the ejection has %v to go, want 15s of 30", got)
		}
		time.Sleep(15 * time.Second)
		expect(t, "30 s after the interval", eps[9], false)

		interval(t, eps, 100, bad, err500)
		time.Sleep(time.Hour)
		end(t, eps[0], 1, nil)
		expect(t, "an hour after the interval", eps[9], false)

		// Half of the calls in one interval, half in the next: too few in each.
		interval(t, eps, 60, bad, err500)
		next(t, eps[0])
		interval(t, eps, 60, bad, err500)
		next(t, eps[0])
		expect(t, "60 calls in each of two intervals", eps[9], false)
	})
}

func TestDetector_splitsLocalOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		split := outlier.Config{Consecutive5xx: 3, ConsecutiveGateway: 2, ConsecutiveLocalOrigin: 4, SplitLocalOrigin: true, MaxEjectionPercent: 100}
		for _, err := range []error{errConnect, errBroken, errTimeout, enmesh.ErrSlow, fmt.Errorf("broken pipe")} {
			_, eps := watched(3, split)
			end(t, eps[0], 3, err)
			expect(t, fmt.Sprintf("3 of %v", err), eps[0], false)
			end(t, eps[0], 1, err)
			expect(t, fmt.Sprintf("4 of %v", err), eps[0], true)

			end(t, eps[1], 3, err)
			end(t, eps[1], 1, err500) // an answer, at least
			end(t, eps[1], 3, err)
			end(t, eps[1], 1, err500)
			expect(t, fmt.Sprintf("3 and 3 of %v, a 500 after each", err), eps[1], false)
			end(t, eps[1], 1, err500)
			expect(t, "3 of 500, some of local origin between", eps[1], true)

			end(t, eps[2], 2, err503)
			expect(t, "2 of 503", eps[2], true)

			off := split
			off.ConsecutiveLocalOrigin = 0
			_, eps = watched(3, off)
			end(t, eps[0], 100, err)
			expect(t, fmt.Sprintf("100 of %v, which do not count", err), eps[0], false)
		}
		_, eps := watched(3, outlier.Config{ConsecutiveLocalOrigin: 1, MaxEjectionPercent: 100})
		end(t, eps[0], 100, errConnect)
		expect(t, "without the split", eps[0], false)
	})
}

func TestDetector_splitsRates(t *testing.T) {
	for _, tc := range []struct {
		split bool
		err   error
		why   outlier.Reason
	}{
		{false, err500, outlier.LowSuccessRate},
		{false, errConnect, outlier.LowSuccessRate},
		{true, err500, outlier.LowSuccessRate},
		{true, errConnect, outlier.LowSuccessRateLocal},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := outlier.New(outlier.Config{SplitLocalOrigin: tc.split, SuccessRate: outlier.SuccessRate{Enabled: true}})
			c := balance.NewCluster(watchedBy(d))
			c.Apply(list(10))
			eps := c.Set().Endpoints
			interval(t, eps, 200, func(i int) int { return 40 * (i / 9) }, tc.err)
			next(t, eps[0])
			if got := d.Report()[9]; !got.Ejected || got.Why != tc.why {
				t.Errorf("split %t, %v: ejected %t for %v, want %v", tc.split, tc.err, got.Ejected, got.Why, tc.why)
			}
		})
	}
}

func TestDetector_codesRedefineErrors(t *testing.T) {
	codes, err := outlier.CodesOf(429, 503, 404)
	if err != nil {
		t.Fatal(err)
	}
	is := func(status int) error {
		return &enmesh.Error{Code: enmesh.CodeOfStatus(status), Outcome: enmesh.OutcomeOfCode(enmesh.CodeOfStatus(status)), Status: status}
	}
	for _, tc := range []struct {
		err       error
		any, gate bool
	}{
		{is(429), true, false},
		{is(404), true, false}, // the caller's own fault: the operator wants it so
		{is(503), true, true},
		{is(500), false, false},
		{is(502), false, false},
		{is(400), false, false},
		{&enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral}, true, false},          // of gRPC: 404
		{&enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure}, false, false},         // 500
		{&enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Failure}, true, false}, // 429
		{errConnect, true, true}, // no response: the codes do not speak of it
		{enmesh.ErrCanceled, false, false},
	} {
		_, eps := watched(3, outlier.Config{Consecutive5xx: 2, Codes: codes, MaxEjectionPercent: 100})
		end(t, eps[0], 2, tc.err)
		expect(t, fmt.Sprintf("%v as an error", tc.err), eps[0], tc.any)
		_, eps = watched(3, outlier.Config{ConsecutiveGateway: 2, Codes: codes, MaxEjectionPercent: 100})
		end(t, eps[0], 2, tc.err)
		expect(t, fmt.Sprintf("%v as a gateway error", tc.err), eps[0], tc.gate)
	}
	for _, bad := range []int{0, 200, 399, 600, -1, 1 << 20} {
		if c, err := outlier.CodesOf(500, bad); err == nil || !c.Empty() {
			t.Errorf("CodesOf(500, %d) = %v, %v; want none and an error", bad, c, err)
		}
		if codes.Has(bad) {
			t.Errorf("a set has %d", bad)
		}
	}
	if c, err := outlier.CodesOf(); err != nil || !c.Empty() {
		t.Errorf("CodesOf() = %v, %v; want the empty set", c, err)
	}
}

func TestDetector_jitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		d := outlier.New(outlier.Config{Consecutive5xx: 1, EjectionJitter: 10 * time.Second, MaxEjection: time.Second, MaxEjectionPercent: 100}, outlier.Random(rnd.Uint64))
		c := balance.NewCluster(watchedBy(d))
		c.Apply(list(1000))
		var sum time.Duration
		for _, e := range c.Set().Endpoints {
			end(t, e, 1, err500)
			more := e.EjectedUntil().Sub(enmesh.Now()) - 30*time.Second
			if more < 0 || more > 10*time.Second {
				t.Fatalf("ejected for 30 s and %v, want 0 to 10 s more", more)
			}
			sum += more
		}
		if mean := sum / 1000; mean < 4500*time.Millisecond || mean > 5500*time.Millisecond {
			t.Errorf("jitter of %v on average, want 5 s", mean)
		}
	})
}

func TestDetector_reports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		start := enmesh.Now()
		d := outlier.New(outlier.Config{Consecutive5xx: 2, ConsecutiveGateway: 9, SuccessRate: outlier.SuccessRate{Enabled: true}}, outlier.OnEvent(func(ev outlier.Event) {
			heard = append(heard, fmt.Sprintf("%v %s for %v at %v until %v", ev.Kind, ev.Endpoint.Addr(), ev.Why, ev.At.Sub(start), max(ev.Until.Sub(start), 0)))
		}))
		c := balance.NewCluster(watchedBy(d))
		c.Apply(list(3))
		eps := c.Set().Endpoints
		end(t, eps[1], 1, err503)
		end(t, eps[2], 2, err500)
		end(t, eps[1], 1, err503) // too many are ejected
		r := d.Report()
		want := outlier.Verdict{Endpoint: eps[2], Ejected: true, Until: start.Add(30 * time.Second), Why: outlier.Consecutive5xx, Count: 1, Total: 1}
		if len(r) != 3 || r[2] != want {
			t.Errorf("report of %d, of the third %+v, want %+v", len(r), r[2], want)
		}
		if want := (outlier.Verdict{Endpoint: eps[1], Spared: 1, ConsecutiveGateway: 2}); r[1] != want {
			t.Errorf("report of the second %+v, want %+v", r[1], want)
		}
		end(t, eps[0], 3, nil)
		end(t, eps[1], 1, err500)
		time.Sleep(30 * time.Second)
		end(t, eps[0], 1, nil) // looks at the interval of the calls above
		r = d.Report()
		if r[0].Calls != 3 || r[0].SuccessRate != 100 || r[1].Calls != 3 || r[1].SuccessRate != 0 || r[1].Consecutive5xx != 1 {
			t.Errorf("report of rates: %+v and %+v", r[0], r[1])
		}
		if r[2].Ejected || r[2].Total != 1 || r[2].Why != outlier.Consecutive5xx {
			t.Errorf("report of what is over: %+v", r[2])
		}
		c.Apply(list(2))
		if got := len(d.Report()); got != 2 {
			t.Errorf("report of %d endpoints, want 2: one has left", got)
		}
		wanted := []string{
			"ejected 10.0.0.2:80 for consecutive_5xx at 0s until 30s",
			"returned 10.0.0.2:80 for consecutive_5xx at 30s until 0s",
		}
		if !slices.Equal(heard, wanted) {
			t.Errorf("heard %q, want %q", heard, wanted)
		}
	})
}

// Whoever is slow to hear of an ejection holds up one call, and no other.
func TestDetector_slowListenersHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := outlier.New(everything(), outlier.OnEvent(func(outlier.Event) { <-release }))
		c := balance.NewCluster(watchedBy(d))
		c.Apply(list(50))
		eps := c.Set().Endpoints
		var wg sync.WaitGroup
		wg.Go(func() { end(t, eps[0], 5, err503) })
		interval(t, eps[1:], 100, func(i int) int { return 50 * (i / 48) }, err500)
		time.Sleep(10 * time.Second)
		wg.Go(func() { end(t, eps[1], 1, nil) }) // the interval's end ejects another
		synctest.Wait()
		end(t, eps[2], 100, nil)
		end(t, eps[3], 4, err503)
		d.Report()
		if got := ejected(eps); !slices.Equal(got, []int{0, 49}) {
			t.Errorf("ejected %v, want 0 for its row, 49 for its rate", got)
		}
		close(release)
		wg.Wait()
	})
}

// A check that finds an endpoint well ends its ejection; the next is longer still.
func TestDetector_checksEndEjections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, eps := watched(10, outlier.Config{Consecutive5xx: 1})
		e := eps[0]
		end(t, e, 1, err500)
		e.SetHealthy(false)
		time.Sleep(5 * time.Second)
		e.SetHealthy(true)
		expect(t, "found well", e, false)
		end(t, e, 1, err500)
		if got := e.EjectedUntil().Sub(enmesh.Now()); got != time.Minute {
			t.Errorf("ejected again for %v, want 1m0s", got)
		}
	})
}

// Rates under many goroutines: each interval is looked at once, nothing is counted twice.
func TestDetector_ratesSurviveRaces(t *testing.T) {
	d := outlier.New(outlier.Config{Interval: time.Millisecond, FailurePercentage: outlier.FailurePercentage{Enabled: true, Volume: 1, MinHosts: 1}, MaxEjectionPercent: 25}, outlier.OnEvent(func(outlier.Event) {}))
	c := balance.NewCluster(watchedBy(d))
	c.Apply(list(20))
	eps := c.Set().Endpoints
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				e := eps[(i+g)%len(eps)]
				if i%3 == 0 {
					end(t, e, 1, err503)
				} else {
					end(t, e, 1, err404)
				}
				if i%500 == 0 {
					c.Apply(list(20))
					c.Configure(watchedBy(d))
					d.Report()
				}
			}
		})
	}
	wg.Wait()
	if got := len(ejected(eps)); got > 5 {
		t.Errorf("ejected = %d of 20, want at most 25%%", got)
	}
}

func TestEnvoy_isEnvoys(t *testing.T) {
	want := outlier.Config{
		Consecutive5xx: 5, ConsecutiveLocalOrigin: 5,
		SuccessRate:       outlier.SuccessRate{Enabled: true, MinHosts: 5, Volume: 100, Factor: 1900},
		FailurePercentage: outlier.FailurePercentage{Threshold: 85, MinHosts: 5, Volume: 50},
		Interval:          10 * time.Second, BaseEjection: 30 * time.Second, MaxEjection: 300 * time.Second, MaxEjectionPercent: 10,
	}
	if got := outlier.Envoy(); got != want {
		t.Errorf("Envoy() = %+v, want %+v", got, want)
	}
	want.SuccessRate.Enabled = false
	if got := outlier.New(outlier.Default()).Config(); got != want {
		t.Errorf("Default() = %+v, want %+v", got, want)
	}
}
