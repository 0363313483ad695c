// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest/sim"
)

const ms = time.Millisecond

func simulate(t *testing.T, cfg sim.Config) *sim.Result {
	t.Helper()
	r, err := sim.Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func within(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) {
		t.Errorf("%s = %v, want %v within %v%%", what, got, want, 100*share)
	}
}

// The simulator against queueing theory: with one server and exponential service the
// time in the system is exponential with the mean s/(1-ρ) (M/M/1); with constant
// service the mean wait is half of that of M/M/1 (Pollaczek and Khinchine).
func TestSimulate_agreesWithTheory(t *testing.T) {
	for _, load := range []float64{0.3, 0.6, 0.75} {
		r := simulate(t, sim.Config{Servers: sim.Uniform(1, sim.Exponential(10*ms)), Load: load, Calls: 400_000, Seed: 1})
		mean := 0.010 / (1 - load)
		within(t, "M/M/1 median", r.Percentile(50).Seconds(), mean*math.Ln2, 0.03)
		within(t, "M/M/1 p99", r.Percentile(99).Seconds(), mean*math.Log(100), 0.05)
	}
	const load = 0.5
	r := simulate(t, sim.Config{Servers: sim.Uniform(1, sim.Constant(10*ms)), Load: load, Calls: 200_000, Seed: 1})
	var sum float64
	for p := 0.05; p < 100; p += 0.1 {
		sum += r.Percentile(p).Seconds() / 1000
	}
	within(t, "M/D/1 mean", sum, 0.010*(1+load/(2*(1-load))), 0.02)
	// Four workers and no line to speak of: the service time alone is left.
	servers := []sim.Server{{Service: sim.Exponential(10 * ms), Workers: 100}}
	within(t, "M/M/100 median", simulate(t, sim.Config{Servers: servers}).Percentile(50).Seconds(), 0.010*math.Ln2, 0.03)
}

func TestDistributions_haveTheirMean(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, d := range map[string]sim.Distribution{
		"constant": sim.Constant(ms), "exponential": sim.Exponential(ms), "lognormal": sim.Lognormal(ms, 1),
	} {
		var sum time.Duration
		const n = 200_000
		for range n {
			sum += d.Draw(r)
		}
		within(t, name, float64(sum/n), float64(d.Mean()), 0.02)
	}
}

// lively is a configuration in which everything happens.
func lively() sim.Config {
	cfg := sim.Config{
		Algorithm: balance.PowerOfTwo(), Servers: sim.Uniform(5, sim.Lognormal(10*ms, 1)), Load: 0.6, Calls: 20_000, Seed: 7, Clients: 3,
		Events: []sim.Event{
			{At: time.Second, Every: time.Second, Do: func(w *sim.World) { w.Replace(w.Len() - 1) }},
			{At: 3 * time.Second, Do: func(w *sim.World) { w.Slow(0, 5) }},
			{At: 4 * time.Second, Do: func(w *sim.World) { w.Fail(1, 0.3) }},
			{At: 5 * time.Second, Do: func(w *sim.World) { w.Remove(2) }},
			{At: 9 * time.Second, Do: func(w *sim.World) { w.Return(2) }},
		},
	}
	cfg.Servers[3].Cold, cfg.Servers[3].Warmup = 4, 5*time.Second
	return cfg
}

func TestSimulate_repeatsItself(t *testing.T) {
	a, b := simulate(t, lively()), simulate(t, lively())
	other := lively()
	other.Seed++
	c := simulate(t, other)
	bubble := sim.Run(t, lively())
	if !slices.Equal(a.Shares(), b.Shares()) || a.Percentile(99) != b.Percentile(99) || a.Errors() != b.Errors() {
		t.Error("two runs with one seed differ")
	}
	if !slices.Equal(a.Shares(), bubble.Shares()) || a.Percentile(99) != bubble.Percentile(99) {
		t.Error("a run in a bubble differs from one outside")
	}
	if slices.Equal(a.Shares(), c.Shares()) {
		t.Error("two seeds give one run")
	}
}

// Whatever happens on the way, every call that comes ends.
func TestSimulate_losesNoCall(t *testing.T) {
	open, done := 0, 0
	cfg := lively()
	cfg.Gates = func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{counter{&open, &done}} }
	r := simulate(t, cfg)
	if r.Calls() != cfg.Calls || open != cfg.Calls || done != cfg.Calls {
		t.Errorf("%d calls of %d, %d admitted and %d done", r.Calls(), cfg.Calls, open, done)
	}
	if r.Errors() == 0 || r.Refused() != 0 {
		t.Errorf("errors %v, refused %v, want some of the first and none of the second", r.Errors(), r.Refused())
	}
}

type counter struct{ open, done *int }

func (c counter) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	*c.open++
	return enmesh.Token{}, nil
}
func (c counter) Done(enmesh.Token, enmesh.Result) { *c.done++ }

func TestSimulate_refusals(t *testing.T) {
	refusal := errors.New("no")
	cfg := sim.Config{Servers: sim.Uniform(2, sim.Constant(ms)), Calls: 1000, Gates: func(*balance.Endpoint) []enmesh.Gate {
		return []enmesh.Gate{closed{refusal}}
	}}
	if got := simulate(t, cfg).Refused(); got != 1 {
		t.Errorf("refused by gates: %v, want 1", got)
	}
	cfg.Gates = nil
	cfg.Events = []sim.Event{{Do: func(w *sim.World) { w.Remove(0); w.Remove(1) }}}
	r := simulate(t, cfg)
	if r.Refused() != 1 || r.Errors() != 1 || r.Share(0) != 0 || r.Percentile(50) != 0 {
		t.Errorf("refused %v, errors %v, share %v, p50 %v, want 1, 1, 0, 0s", r.Refused(), r.Errors(), r.Share(0), r.Percentile(50))
	}
}

type closed struct{ err error }

func (c closed) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, c.err
}
func (closed) Done(enmesh.Token, enmesh.Result) {}

// In a bubble an ejection ends when the simulation's time says so.
func TestRun_theClockFollows(t *testing.T) {
	var ejected, back float64
	r := sim.Run(t, sim.Config{
		Algorithm: balance.RoundRobin(), Servers: sim.Uniform(4, sim.Exponential(10*ms)), Calls: 6000, // 30 s
		Events: []sim.Event{{At: 10 * time.Second, Do: func(w *sim.World) {
			w.Endpoint(0, 1).Eject(enmesh.Now().Add(10 * time.Second))
		}}},
	})
	ejected = r.Between(10*time.Second, 20*time.Second).Share(1)
	back = r.After(20 * time.Second).Share(1)
	if ejected != 0 || math.Abs(back-0.25) > 0.01 {
		t.Errorf("share while ejected %v, afterwards %v, want 0 and 0.25", ejected, back)
	}
}

// Slow start goes by the simulation's time with a bubble and without: the calls are the same.
func TestSimulate_slowStart(t *testing.T) {
	cfg := sim.Config{
		Algorithm: balance.SlowStart(balance.SlowStartConfig{Window: 20 * time.Second}, balance.LeastRequest(2)),
		Servers:   sim.Uniform(4, sim.Exponential(10*ms)), Rate: 200, Calls: 6000, Seed: 1, // 30 s
		Events: []sim.Event{{At: 5 * time.Second, Do: func(w *sim.World) { w.Add(sim.Uniform(1, sim.Exponential(10*ms))[0]) }}},
	}
	r, bubble := simulate(t, cfg), sim.Run(t, cfg)
	first := r.Between(5*time.Second, 7*time.Second).Share(4)
	if first == 0 || first > 0.05 {
		t.Errorf("in the first tenth of its window the new server has %.3f of the calls, want a tenth of a fifth", first)
	}
	for at := time.Duration(0); at < 30*time.Second; at += time.Second {
		if got, want := r.Between(at, at+time.Second).Share(4), bubble.Between(at, at+time.Second).Share(4); got != want {
			t.Errorf("from %v on the new server has %v of the calls, and %v in a bubble", at, got, want)
		}
	}
}

func TestSimulate_coldServersWarmUp(t *testing.T) {
	servers := sim.Uniform(2, sim.Constant(10*ms))
	servers[0].Cold, servers[0].Warmup = 9, 10*time.Second
	r := simulate(t, sim.Config{Algorithm: balance.RoundRobin(), Servers: servers, Rate: 2, Calls: 200})
	// Calls alternate and never wait: half of them are the cold server's.
	if got := r.Between(4500*ms, 5500*ms).Percentile(100); got < 46*ms || got > 54*ms {
		t.Errorf("half way through the warm-up a call takes %v, want 5 times 10ms", got)
	}
	if got := r.After(10 * time.Second).Percentile(100); got != 10*ms {
		t.Errorf("after the warm-up a call takes %v, want 10ms", got)
	}
}

func TestSimulate_failuresTakeTheirTime(t *testing.T) {
	servers := sim.Uniform(1, sim.Constant(time.Second))
	servers[0].Fails, servers[0].FailsAfter = 0.25, 5*ms
	r := simulate(t, sim.Config{Servers: servers, Rate: 0.1, Calls: 10_000})
	within(t, "error rate", r.Errors(), 0.25, 0.05)
	if got := r.Percentile(1); got < time.Second {
		t.Errorf("the quickest answer took %v, want 1s: failures are not answers", got)
	}
}

func TestWorld_tellsTheRegistry(t *testing.T) {
	r := simulate(t, sim.Config{
		Algorithm: balance.WeightedRoundRobin(), Servers: sim.Uniform(2, sim.Constant(ms)), Calls: 10_000,
		Events: []sim.Event{{Do: func(w *sim.World) {
			w.Tell(0, func(info *discovery.Endpoint) { info.Weight = 3 })
			if got := w.Cluster(0).Set().Endpoints[0]; got != w.Endpoint(0, 0) {
				t.Errorf("server 0 is %s", got.Addr())
			}
		}}},
	})
	within(t, "share of weight 3", r.Share(0), 0.75, 0.01)
	within(t, "max over mean, by weight", r.MaxOverMean(), 1, 0.01)
}

func TestConfig_refusesNonsense(t *testing.T) {
	good := sim.Uniform(1, sim.Constant(ms))
	for name, cfg := range map[string]sim.Config{
		"no servers":    {},
		"no service":    {Servers: make([]sim.Server, 1)},
		"no mean":       {Servers: sim.Uniform(1, sim.Constant(0))},
		"workers":       {Servers: []sim.Server{{Service: sim.Constant(ms), Workers: -1}}},
		"failing twice": {Servers: []sim.Server{{Service: sim.Constant(ms), Fails: 2}}},
		"load":          {Servers: good, Load: -1},
		"load, NaN":     {Servers: good, Load: math.NaN()},
		"calls":         {Servers: good, Calls: -1},
		"event":         {Servers: good, Events: []sim.Event{{At: -1, Do: func(*sim.World) {}}}},
		"empty event":   {Servers: good, Events: []sim.Event{{}}},
	} {
		if _, err := sim.Simulate(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSimulate_preparesCalls(t *testing.T) {
	n := 0
	simulate(t, sim.Config{Servers: sim.Uniform(1, sim.Constant(ms)), Calls: 100, Prepare: func(c *enmesh.Call, i int) {
		if i != n || c.Clock == 0 {
			t.Fatalf("call %d at %d, want call %d at its time", i, c.Clock, n)
		}
		n++
	}})
	if n != 100 {
		t.Errorf("%d calls were prepared, want 100", n)
	}
}

func BenchmarkSimulate(b *testing.B) {
	for b.Loop() {
		if _, err := sim.Simulate(sim.Config{Servers: sim.Uniform(10, sim.Exponential(10*ms)), Load: 0.7}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/call")
}
