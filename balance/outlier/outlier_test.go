// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	err500 = &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}
	err503 = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	err404 = &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral, Status: 404}
)

// watched is a cluster of n endpoints under a detector.
func watched(n int, cfg outlier.Config) (*balance.Cluster, []*balance.Endpoint) {
	d := outlier.New(cfg)
	c := balance.NewCluster(watchedBy(d))
	c.Apply(list(n))
	return c, c.Set().Endpoints
}

func watchedBy(d *outlier.Detector) balance.ClusterConfig {
	return balance.ClusterConfig{Gates: func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{d.Gate(e)} }}
}

func list(n int) []discovery.Endpoint {
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		eps[i].Addrs = []string{fmt.Sprintf("10.0.%d.%d:80", i>>8, i&255)}
	}
	return eps
}

// end sends n calls to e that all end with err.
func end(t *testing.T, e *balance.Endpoint, n int, err error) {
	t.Helper()
	for range n {
		admit(t, e)(err)
	}
}

// admit sends a call; what it returns ends it.
func admit(t *testing.T, e *balance.Endpoint) func(error) {
	t.Helper()
	var a balance.Admission
	if err := e.Admit(context.Background(), nil, enmesh.Now(), &a); err != nil {
		t.Fatalf("Admit: %v", err)
	}
	return func(err error) {
		a.Release(enmesh.Result{Err: err, Outcome: enmesh.OutcomeOf(err), Ended: enmesh.Now()})
	}
}

func expect(t *testing.T, when string, e *balance.Endpoint, ejected bool) {
	t.Helper()
	if got := e.Ejected(enmesh.Now()); got != ejected {
		t.Errorf("%s: ejected %t, want %t", when, got, ejected)
	}
}

func TestDetector_ejectsAfterFiveInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, eps := watched(10, outlier.Default())
		e := eps[0]
		end(t, e, 4, err500)
		end(t, e, 1, nil)
		end(t, e, 4, err503)
		expect(t, "4 errors, twice", e, false)
		end(t, e, 1, err500)
		expect(t, "5 errors", e, true)
		if got, want := e.EjectedUntil().Sub(enmesh.Now()), 30*time.Second; got != want {
			t.Errorf("ejected for %v, want %v", got, want)
		}
		time.Sleep(30 * time.Second)
		expect(t, "30 s later", e, false)
		end(t, e, 4, err500)
		expect(t, "4 errors after it", e, false)
	})
}

func TestDetector_whatCounts(t *testing.T) {
	failed := func(c enmesh.Code) error { return &enmesh.Error{Code: c, Outcome: enmesh.OutcomeOfCode(c)} }
	for _, tc := range []struct {
		name string
		err  error
		any  bool // counts as a 5xx
		gate bool // counts as a gateway error
		ends bool // ends the row
	}{
		{"success", nil, false, false, true},
		{"404", err404, false, false, true},
		{"429", &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Failure, Status: 429}, false, false, true},
		{"500", err500, true, false, false},
		{"501, which is neutral", &enmesh.Error{Code: enmesh.Unimplemented, Outcome: enmesh.Neutral, Status: 501}, true, false, false},
		{"502", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 502}, true, true, false},
		{"503", err503, true, true, false},
		{"504", &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Status: 504}, true, true, false},
		{"599", &enmesh.Error{Code: enmesh.Unknown, Outcome: enmesh.Failure, Status: 599}, true, false, false},
		{"a failed connect", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagConnectFailure}, true, true, false},
		{"a policy's timeout", &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Status: 504, Policy: "timeout"}, true, true, false},
		{"a caller's deadline that was long enough", enmesh.ErrSlow, true, true, false},
		{"a plain error", errors.New("broken pipe"), true, false, false},
		{"gRPC unavailable", failed(enmesh.Unavailable), true, true, false},
		{"gRPC internal", failed(enmesh.Internal), true, false, false},
		{"gRPC resource exhausted", failed(enmesh.ResourceExhausted), false, false, true},
		{"gRPC invalid argument", failed(enmesh.InvalidArgument), false, false, true},
		{"gRPC permission denied", failed(enmesh.PermissionDenied), false, false, true},
		{"gRPC unimplemented", failed(enmesh.Unimplemented), false, false, true},
		{"gRPC cancelled", failed(enmesh.Canceled), false, false, false},
		{"the caller cancelled", enmesh.ErrCanceled, false, false, false},
		{"the caller's deadline", enmesh.ErrDeadline, false, false, false},
		{"a plain cancel", context.Canceled, false, false, false},
		{"a lost race", enmesh.ErrLost, false, false, false},
		{"thrown away", enmesh.ErrUnsent, false, false, false},
		{"a panic", enmesh.ErrPanic, false, false, false},
		{"a policy's refusal", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Policy: "breaker"}, false, false, false},
		{"a refused dial", &enmesh.Error{Code: enmesh.FailedPrecondition, Outcome: enmesh.Neutral, Status: 503, Unsent: true}, false, false, false},
	} {
		_, eps := watched(10, outlier.Config{Consecutive5xx: 2})
		end(t, eps[0], 2, tc.err)
		expect(t, tc.name+" as a 5xx", eps[0], tc.any)

		_, eps = watched(10, outlier.Config{ConsecutiveGateway: 2})
		end(t, eps[0], 2, tc.err)
		expect(t, tc.name+" as a gateway error", eps[0], tc.gate)

		_, eps = watched(10, outlier.Config{Consecutive5xx: 3})
		end(t, eps[0], 2, err500)
		end(t, eps[0], 1, tc.err)
		end(t, eps[0], 1, err500)
		expect(t, tc.name+" in a row", eps[0], !tc.ends)
	}
}

func TestDetector_gatewayErrorsAreARowOfTheirOwn(t *testing.T) {
	_, eps := watched(10, outlier.Config{ConsecutiveGateway: 3})
	end(t, eps[0], 2, err503)
	end(t, eps[0], 9, err500)
	end(t, eps[0], 2, err503)
	expect(t, "a 500 between", eps[0], false)
	end(t, eps[0], 1, err503)
	expect(t, "3 in a row", eps[0], true)
	_, eps = watched(10, outlier.Config{})
	end(t, eps[0], 100, err503)
	expect(t, "both off", eps[0], false)
}

func TestDetector_ejectionsGrowAndHealthShrinksThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, eps := watched(10, outlier.Config{Consecutive5xx: 1, MaxEjection: 100 * time.Second})
		e := eps[0]
		lasts := func(want time.Duration) {
			t.Helper()
			end(t, e, 1, err500)
			if got := e.EjectedUntil().Sub(enmesh.Now()); got != want {
				t.Errorf("ejected for %v, want %v", got, want)
			}
			time.Sleep(time.Until(e.EjectedUntil().Time()))
		}
		lasts(30 * time.Second)
		lasts(60 * time.Second)
		lasts(90 * time.Second)
		lasts(100 * time.Second)
		lasts(100 * time.Second) // the fifth
		time.Sleep(39 * time.Second)
		lasts(90 * time.Second) // three intervals healthy: the third
		time.Sleep(time.Hour)
		lasts(30 * time.Second)
	})
}

func TestDetector_neverMoreThanItsPart(t *testing.T) {
	for _, tc := range []struct {
		n    int
		most uint32
		want int
	}{
		{1, 10, 1}, {5, 10, 1}, {10, 10, 1}, {19, 10, 1}, {20, 10, 2}, {10, 50, 5}, {10, 0, 1},
		{10, 100, 10}, {10, 1000, 10},
	} {
		c, eps := watched(tc.n, outlier.Config{Consecutive5xx: 2, MaxEjectionPercent: tc.most})
		for range 3 {
			for _, e := range eps {
				end(t, e, 2, err500)
			}
		}
		got := 0
		for _, e := range eps {
			if e.Ejected(enmesh.Now()) {
				got++
			}
		}
		if got != tc.want {
			t.Errorf("%d endpoints, at most %d%%: %d ejected, want %d", tc.n, tc.most, got, tc.want)
		}
		if _, err := c.Picker().Pick(nil); err != nil {
			t.Errorf("%d ejected of %d: %v, want a pick all the same", got, tc.n, err)
		}
	}
}

func TestDetector_makesRoomWhenOneComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, eps := watched(10, outlier.Default())
		end(t, eps[0], 5, err500)
		end(t, eps[1], 5, err500)
		expect(t, "the second of ten", eps[1], false)
		time.Sleep(30 * time.Second)
		end(t, eps[1], 5, err500)
		expect(t, "when the first is back", eps[1], true)

		c.Apply(append(list(1), list(10)[2:]...)) // the second leaves
		end(t, eps[2], 5, err500)
		expect(t, "when the second is gone", eps[2], true)
	})
}

func TestDetector_lateFailuresDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, eps := watched(10, outlier.Config{Consecutive5xx: 2, MaxEjectionPercent: 100})
		e := eps[0]
		var late []func(error)
		for range 10 {
			late = append(late, admit(t, e))
		}
		for _, done := range late {
			time.Sleep(time.Second)
			done(err503)
		}
		if got, want := e.EjectedUntil().Sub(enmesh.Now()), 22*time.Second; got != want {
			t.Errorf("ejection has %v to go, want %v: only the first two failures count", got, want)
		}
		time.Sleep(22 * time.Second)
		end(t, e, 1, err503)
		expect(t, "one failure after it", e, false)
	})
}

func TestDetector_survivesConfigure(t *testing.T) {
	d := outlier.New(outlier.Default())
	c := balance.NewCluster(watchedBy(d))
	c.Apply(list(10))
	e := c.Set().Endpoints[0]
	end(t, e, 3, err500)
	c.Configure(watchedBy(d))
	end(t, e, 2, err500)
	expect(t, "3 errors before and 2 after Configure", e, true)
	if got := d.Config().MaxEjectionPercent; got != 10 {
		t.Errorf("MaxEjectionPercent = %d, want the default 10", got)
	}
}

func TestDetector_callerFaultsNeverEject(t *testing.T) {
	_, eps := watched(3, outlier.Config{Consecutive5xx: 1, ConsecutiveGateway: 1, MaxEjectionPercent: 100})
	for _, e := range eps {
		for range 1000 {
			end(t, e, 1, err404)
			end(t, e, 1, enmesh.ErrCanceled)
		}
		expect(t, "2000 faults of callers", e, false)
	}
}

func TestDetector_survivesRaces(t *testing.T) {
	c, eps := watched(20, outlier.Config{Consecutive5xx: 3, MaxEjectionPercent: 25})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				e := eps[(i+g)%len(eps)]
				end(t, e, 1, err503)
				if i%100 == 0 {
					c.Apply(list(20))
				}
			}
		})
	}
	wg.Wait()
	out := 0
	for _, e := range eps {
		if e.Ejected(enmesh.Now()) {
			out++
		}
	}
	if out != 5 {
		t.Errorf("ejected = %d of 20, want 25%%", out)
	}
}

// everything is a configuration with every rule on.
func everything() outlier.Config {
	cfg := outlier.Envoy()
	cfg.ConsecutiveGateway, cfg.SplitLocalOrigin, cfg.FailurePercentage.Enabled = 5, true, true
	return cfg
}

func TestGate_allocatesNothing(t *testing.T) {
	for _, cfg := range []outlier.Config{outlier.Default(), everything()} {
		_, eps := watched(10, cfg)
		var a balance.Admission
		i := 0
		if got := testing.AllocsPerRun(1000, func() {
			r := enmesh.Result{Ended: enmesh.Now().Add(time.Duration(i) * time.Second)} // an interval ends every ten calls
			i++
			if i%4 != 0 {
				r.Err, r.Outcome = err500, enmesh.Failure
			}
			_ = eps[0].Admit(context.Background(), nil, r.Ended, &a)
			a.Release(r)
		}); got != 0 {
			t.Errorf("a call through the gate allocates %v times, want 0", got)
		}
	}
}

func BenchmarkGate(b *testing.B) {
	for name, cfg := range map[string]outlier.Config{"istio": outlier.Default(), "everything": everything()} {
		c, eps := watched(10, cfg)
		e := eps[0]
		for how, err := range map[string]error{"success": nil, "failure": err503} {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.ReportAllocs()
				g := c.Config().Gates(e)[0]
				r := enmesh.Result{Err: err, Outcome: enmesh.OutcomeOf(err), Ended: enmesh.Now()}
				for b.Loop() {
					t, _ := g.Admit(b.Context(), nil)
					g.Done(t, r)
				}
			})
		}
	}
}

// BenchmarkInterval is the call that ends an interval, in which every endpoint had calls.
func BenchmarkInterval(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		c, eps := watched(n, everything())
		gates := make([]enmesh.Gate, n)
		for i, e := range eps {
			gates[i] = c.Config().Gates(e)[0]
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			at := enmesh.Now()
			for b.Loop() {
				b.StopTimer()
				for _, g := range gates {
					g.Done(enmesh.Token{}, enmesh.Result{Ended: at})
				}
				at = at.Add(10 * time.Second)
				b.StartTimer()
				gates[0].Done(enmesh.Token{}, enmesh.Result{Ended: at})
			}
		})
	}
}

func TestGate_conforms(t *testing.T) {
	enmeshtest.TestGate(t, func() enmesh.Gate {
		d := outlier.New(outlier.Config{Consecutive5xx: 1, ConsecutiveGateway: 1})
		c := balance.NewCluster(watchedBy(d))
		c.Apply(list(1))
		return d.Gate(c.Set().Endpoints[0])
	})
}
