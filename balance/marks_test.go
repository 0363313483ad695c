// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest/sim"
)

// The marks of the algorithms, held in virtual time by package sim: ten servers that
// work on one call at a time, for 10 ms in the mean, exponentially distributed; calls
// come at random. Fixed seeds, several of them: no mark rests on luck.
//
// The race detector makes a simulation twenty times slower and has nothing to find in
// it, since it runs on one goroutine: there, one seed and the highest load must do.

func seeds() []uint64 {
	if raceEnabled {
		return []uint64{1}
	}
	return []uint64{1, 2, 3}
}

// ten are the servers of most marks.
func ten() []sim.Server { return sim.Uniform(10, sim.Exponential(10*ms)) }

func simulate(t *testing.T, cfg sim.Config) *sim.Result {
	t.Helper()
	r, err := sim.Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tail is the ratio of the 99th percentiles.
func tail(r, base *sim.Result) float64 {
	return r.Percentile(99).Seconds() / base.Percentile(99).Seconds()
}

// eachSeed runs f for every seed and load, in a subtest.
func eachSeed(t *testing.T, loads []float64, f func(t *testing.T, cfg sim.Config)) {
	t.Helper()
	if raceEnabled {
		loads = loads[len(loads)-1:]
	}
	for _, load := range loads {
		for _, seed := range seeds() {
			t.Run(fmt.Sprintf("load %v, seed %d", load, seed), func(t *testing.T) {
				f(t, sim.Config{Servers: ten(), Load: load, Seed: seed})
			})
		}
	}
}

// simulated are the algorithms that promise something under load.
func simulated() map[string]balance.Algorithm {
	return map[string]balance.Algorithm{
		"round robin":          balance.RoundRobin(),
		"weighted round robin": balance.WeightedRoundRobin(),
		"random":               balance.Random(),
		"least request":        balance.LeastRequest(2),
		"least request of 4":   balance.LeastRequest(4),
		"peak EWMA":            balance.PowerOfTwo(),
	}
}

func TestMarks_equalServersGetEqualShares(t *testing.T) {
	for name, a := range simulated() {
		t.Run(name, func(t *testing.T) {
			eachSeed(t, []float64{0.1, 0.5, 0.9}, func(t *testing.T, cfg sim.Config) {
				cfg.Algorithm = a
				if got := simulate(t, cfg).MaxOverMean(); got > 1.05 {
					t.Errorf("max/mean = %.3f, want at most 1.05", got)
				}
			})
		})
	}
}

// Least request does not know who is slow, only who has not answered yet: it keeps the
// share down, and cannot keep every hundredth call away.
func TestMarks_slowServerGetsLittle(t *testing.T) {
	eachSeed(t, []float64{0.3, 0.5, 0.7}, func(t *testing.T, cfg sim.Config) {
		for name, mark := range map[string]struct {
			a    balance.Algorithm
			tail float64
		}{"peak EWMA": {balance.PowerOfTwo(), 1.5}, "least request": {balance.LeastRequest(2), 5}} {
			cfg.Algorithm = mark.a
			base := simulate(t, cfg)
			slow := cfg
			slow.Servers = ten()
			slow.Servers[0].Slow = 10
			r := simulate(t, slow)
			most := 0.03
			if name == "least request" && cfg.Load < 0.5 {
				most = 0.035 // an idle slow server looks like an idle fast one
			}
			if got := r.Share(0); got > most || got == 0 {
				t.Errorf("%s: share of the server that is 10 times slower = %.4f, want more than 0 and at most %v", name, got, most)
			}
			if got := tail(r, base); got > mark.tail {
				t.Errorf("%s: p99 is %.2f of what it is without a slow server, want at most %v", name, got, mark.tail)
			}
		}
	})
}

func TestMarks_loadedServersAnswerSooner(t *testing.T) {
	eachSeed(t, []float64{0.9}, func(t *testing.T, cfg sim.Config) {
		cfg.Algorithm = balance.RoundRobin()
		base := simulate(t, cfg)
		for name, a := range map[string]balance.Algorithm{"peak EWMA": balance.PowerOfTwo(), "least request": balance.LeastRequest(2)} {
			cfg.Algorithm = a
			if got := tail(simulate(t, cfg), base); got > 0.6 {
				t.Errorf("%s: p99 is %.2f of round robin's, want at most 0.6", name, got)
			}
		}
	})
}

// A server that comes into a set of others, cold, has as much of a fair share as slow start
// lets it: never more than the ramp on the way, and parity from the end of the window on.
func TestMarks_coldServerIsRampedUp(t *testing.T) {
	const window, come = 100 * time.Second, 20 * time.Second
	eachSeed(t, []float64{0.5}, func(t *testing.T, cfg sim.Config) {
		cfg.Calls = 150_000 // 333 s
		cfg.Servers = ten()[:9]
		cfg.Events = []sim.Event{{At: come, Do: func(w *sim.World) {
			w.Add(sim.Server{Service: sim.Exponential(10 * ms), Cold: 2, Warmup: window})
		}}}
		for name, a := range simulated() {
			ramp := balance.SlowStartConfig{Window: window}
			cfg.Algorithm = balance.SlowStart(ramp, a)
			r := simulate(t, cfg)
			for tenth := range 10 {
				from := window / 10 * time.Duration(tenth)
				got, sigma := shareOfLast(r.Between(come+from, come+from+window/10))
				if most := ramp.Factor(from + window/10); got > most+2.5*sigma {
					t.Errorf("%s: %.3f of a fair share in tenth %d, want at most %.1f", name, got, tenth, most)
				}
			}
			if got, sigma := shareOfLast(r.After(come + window)); math.Abs(got-1) > 0.05+2*sigma {
				t.Errorf("%s: %.3f of a fair share after the window, want 0.95 to 1.05", name, got)
			}
			cfg.Algorithm = a
			if got, _ := shareOfLast(simulate(t, cfg).Between(come, come+window/10)); name == "round robin" && got < 0.95 {
				t.Errorf("%s: %.3f of a fair share without slow start: the ramp was not what held it back", name, got)
			}
		}
	})
}

// shareOfLast is what the last server got as a part of what the others got on average, with
// the deviation that chance alone gives it.
func shareOfLast(r *sim.Result) (share, sigma float64) {
	shares := r.Shares()
	last := shares[len(shares)-1]
	others := (1 - last) / float64(len(shares)-1)
	share = last / others
	return share, math.Sqrt(max(share, 0.01) / (others * float64(r.Calls())))
}

// replaceOne replaces one of n servers every second, each in turn.
func replaceOne(n int) sim.Event {
	at, turn := make([]int, n), 0
	for i := range at {
		at[i] = i
	}
	return sim.Event{At: time.Second, Every: time.Second, Do: func(w *sim.World) {
		at[turn%n] = w.Replace(at[turn%n])
		turn++
	}}
}

func TestMarks_changesOfTheSetCostNothing(t *testing.T) {
	eachSeed(t, []float64{0.7}, func(t *testing.T, cfg sim.Config) {
		cfg.Calls = 200_000
		for name, a := range map[string]balance.Algorithm{
			"peak EWMA": balance.PowerOfTwo(), "least request": balance.LeastRequest(2), "round robin": balance.RoundRobin(),
		} {
			cfg.Algorithm, cfg.Events = a, nil
			base := simulate(t, cfg)
			cfg.Events = []sim.Event{replaceOne(10)}
			r := simulate(t, cfg)
			if got := tail(r, base); math.Abs(got-1) > 0.05 {
				t.Errorf("%s: p99 with another server every second is %.3f of a fixed set's, want within 5%%", name, got)
			}
			if got := r.Errors(); got != 0 {
				t.Errorf("%s: %.5f of the calls failed", name, got)
			}
		}
	})
}

// Statistics survive the changes: the slow server that stays is not tried anew.
func TestMarks_slowServerStaysKnown(t *testing.T) {
	eachSeed(t, []float64{0.5}, func(t *testing.T, cfg sim.Config) {
		cfg.Algorithm = balance.PowerOfTwo()
		cfg.Servers[9].Slow = 10
		base := simulate(t, cfg)
		cfg.Events = []sim.Event{replaceOne(9)}
		if got, want := simulate(t, cfg).Share(9), base.Share(9)+0.002; got > want {
			t.Errorf("share of the slow server in a changing set = %.4f, want at most %.4f", got, want)
		}
	})
}

func TestMarks_quickFailuresDrawNoTraffic(t *testing.T) {
	eachSeed(t, []float64{0.1, 0.7}, func(t *testing.T, cfg sim.Config) {
		cfg.Algorithm = balance.PowerOfTwo()
		cfg.Calls = 30_000
		cfg.Events = []sim.Event{{At: 10 * time.Second, Do: func(w *sim.World) { w.Fail(0, 1) }}}
		r := simulate(t, cfg)
		if got := r.Between(0, 10*time.Second).Share(0); got < 0.05 {
			t.Errorf("share before it fails = %.4f, want about 0.1", got)
		}
		if got := r.After(12 * time.Second).Share(0); got > 0.01 {
			t.Errorf("share from 2 s after it began to fail = %.4f, want at most 0.01", got)
		}
		if got := r.After(12 * time.Second).Errors(); got > 0.01 {
			t.Errorf("failed calls from then on = %.4f, want at most 0.01", got)
		}
	})
}

// A server that nobody has heard of yet is neither starved nor flooded.
func TestMarks_newServerGetsItsShare(t *testing.T) {
	const comes = 20 * time.Second
	for name, a := range map[string]balance.Algorithm{"peak EWMA": balance.PowerOfTwo(), "least request": balance.LeastRequest(2)} {
		t.Run(name, func(t *testing.T) {
			eachSeed(t, []float64{0.3, 0.7}, func(t *testing.T, cfg sim.Config) {
				cfg.Algorithm = a
				cfg.Calls = 40_000
				cfg.Events = []sim.Event{{At: comes, Do: func(w *sim.World) { w.Add(ten()[0]) }}}
				r := simulate(t, cfg)
				for _, span := range []time.Duration{time.Second, 5 * time.Second} {
					if got := r.Between(comes, comes+span).Share(10) * 11; got < 0.5 || got > 1.6 {
						t.Errorf("in its first %v it gets %.2f of a fair share, want 0.5 to 1.6", span, got)
					}
				}
				if got, most := r.Between(comes, comes+5*time.Second).Peak(10), 2*r.Peak(0); got > most {
					t.Errorf("it has %d calls at once, want at most %d, twice what one of the others has", got, most)
				}
			})
		})
	}
}

// Under load, too, servers that can do more get more: their calls in flight are divided
// by their weight.
func TestMarks_weightsDivideTheLoad(t *testing.T) {
	for name, a := range simulated() {
		if name == "round robin" {
			continue // which leaves weights aside
		}
		t.Run(name, func(t *testing.T) {
			eachSeed(t, []float64{0.2, 0.8}, func(t *testing.T, cfg sim.Config) {
				cfg.Algorithm = a
				for i := range cfg.Servers {
					cfg.Servers[i].Info.Weight = uint32(1 + i%3)
					cfg.Servers[i].Workers = 1 + i%3
				}
				most := 1.2 // servers with more workers waste less
				if name == "least request of 4" {
					most = 1.5 // of four draws the heaviest is most often among them
				}
				if got := simulate(t, cfg).MaxOverMean(); got > most {
					t.Errorf("the largest share over its weight = %.3f of the mean, want at most %v", got, most)
				}
			})
		})
	}
}

// Twenty clients, each with statistics of its own, do not fall upon the same servers.
func TestMarks_clientsDoNotHerd(t *testing.T) {
	eachSeed(t, []float64{0.5, 0.9}, func(t *testing.T, cfg sim.Config) {
		cfg.Clients = 20
		cfg.Algorithm = balance.RoundRobin()
		base := simulate(t, cfg)
		for name, a := range map[string]balance.Algorithm{"peak EWMA": balance.PowerOfTwo(), "least request": balance.LeastRequest(2)} {
			cfg.Algorithm = a
			r := simulate(t, cfg)
			if got := r.MaxOverMean(); got > 1.05 {
				t.Errorf("%s: max/mean = %.3f, want at most 1.05", name, got)
			}
			if got := tail(r, base); got > 1.1 {
				t.Errorf("%s: p99 is %.2f of round robin's, want at most 1.1", name, got)
			}
		}
	})
}

// What every server does at once is most likely the client's own doing: a pause of its
// process, of its machine, of the network on its side. It says nothing about who is
// slow, and must not make the slow one look like the others.
func TestMarks_aStandstillOfAllIsForgotten(t *testing.T) {
	for _, factor := range []float64{5, 12, 30} {
		eachSeed(t, []float64{0.1}, func(t *testing.T, cfg sim.Config) {
			cfg.Algorithm = balance.PowerOfTwo()
			cfg.Servers = sim.Uniform(10, sim.Constant(5*ms))
			for i := range cfg.Servers {
				cfg.Servers[i].Workers = 2
			}
			cfg.Servers[0].Slow = 10
			all := func(factor float64) func(*sim.World) {
				return func(w *sim.World) {
					for i := 1; i < w.Len(); i++ {
						w.Slow(i, factor)
					}
				}
			}
			cfg.Events = []sim.Event{
				{At: 10 * time.Second, Every: 10 * time.Second, Do: all(factor)},
				{At: 10*time.Second + 20*ms, Every: 10 * time.Second, Do: all(1)},
			}
			r := simulate(t, cfg)
			if got := r.Share(0); got > 0.01 || got == 0 {
				t.Errorf("with %v times 5 ms every 10 s the server that is 10 times slower has %.4f of the calls, want more than 0 and at most 0.01", factor, got)
			}
		})
	}
}
