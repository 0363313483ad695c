// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// grown is a cluster of old endpoints, and then some more.
func grown(a balance.Algorithm, old, fresh int, weight func(int) uint32) *balance.Cluster {
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: a})
	c.Apply(told(old, weight))
	c.Apply(told(old+fresh, weight))
	return c
}

// crowd is a simulation of endpoints on a clock of its own: calls come at random, and
// each takes a random time, alongside all others or one after another.
type crowd struct {
	t      *testing.T
	rnd    *rand.Rand
	now    enmesh.Instant
	gap    time.Duration     // mean, between calls
	mean   time.Duration     // that a call takes
	serial bool              // an endpoint serves one call at a time
	slow   *balance.Endpoint // takes ten times as long; may be nil
	free   map[*balance.Endpoint]enmesh.Instant
	flight flights
}

type flight struct {
	a   *balance.Admission
	end enmesh.Instant
}

type flights []flight

func (f flights) Len() int           { return len(f) }
func (f flights) Less(i, j int) bool { return f[i].end < f[j].end }
func (f flights) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)        { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// run sends calls until an instant, and counts where they went.
func (s *crowd) run(p balance.Picker, until enmesh.Instant, seen map[*balance.Endpoint]int) {
	for {
		s.now = s.now.Add(time.Duration(s.rnd.ExpFloat64() * float64(s.gap)))
		if s.now >= until {
			return
		}
		for len(s.flight) > 0 && s.flight[0].end <= s.now {
			f := heap.Pop(&s.flight).(flight)
			f.a.Release(enmesh.Result{Answered: f.end, Ended: f.end})
		}
		e := mustPick(s.t, p, &enmesh.Call{Clock: s.now})
		a := new(balance.Admission)
		if err := e.Admit(s.t.Context(), nil, s.now, a); err != nil {
			s.t.Fatal(err)
		}
		seen[e]++
		from, takes := s.now, 0.98+0.04*s.rnd.Float64() // with more, peak-EWMA alone would move shares
		if s.serial {
			from, takes = max(from, s.free[e]), s.rnd.ExpFloat64()
		}
		if e == s.slow {
			takes *= 10
		}
		end := from.Add(time.Duration(takes * float64(s.mean)))
		s.free[e] = end
		heap.Push(&s.flight, flight{a, end})
	}
}

// The loads under which a new endpoint comes, for ten.
var loads = []struct {
	name   string
	gap    time.Duration
	mean   time.Duration
	serial bool
}{
	{"idle", 5 * ms, ms / 10, false},
	{"two each", 4 * ms, 80 * ms, false},
	{"fifty each", 4 * ms, 2 * time.Second, false},
	{"queues at 0.9 load", 4 * ms, 36 * ms, true},
}

// A new endpoint's share, as a part of what the others have, is what the ramp says at
// every tenth of the window, and parity after it. PowerOfTwo is restless by itself: it
// may give less than the ramp for a while, never more.
func TestSlowStart_shareFollowsTheRamp(t *testing.T) {
	const window = 100 * time.Second
	for name, a := range algorithms() {
		for _, load := range loads {
			if load.serial && name != "least request" && name != "power of two" {
				continue // queues diverge where load is not looked at
			}
			if name == "weighted round robin" || name == "least request of 5" && load.name != "fifty each" {
				continue // with even weights the former is round robin
			}
			for _, cfg := range []balance.SlowStartConfig{{Window: window}, {Window: window, Aggression: 2, MinPercent: 20}} {
				if cfg.Aggression != 0 && load.name != "two each" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", name, load.name, cfg.Aggression), func(t *testing.T) {
					less := 0.05
					if name == "power of two" {
						less = 0.2
					}
					rnd := rand.New(rand.NewPCG(9, 9))
					c := grown(balance.SlowStartFrom(cfg, a, rnd.Uint64), 9, 1, nil)
					fresh := c.Set().Endpoints[9]
					s := &crowd{t: t, rnd: rnd, now: fresh.Since(), gap: load.gap, mean: load.mean, serial: load.serial, free: map[*balance.Endpoint]enmesh.Instant{}}
					before := 0.0
					for tenth := range 10 {
						got, sigma := s.share(c, fresh, window/10)
						want := 0.0
						for i := range 100 {
							want += cfg.Factor(window/10*time.Duration(tenth)+window/1000*time.Duration(i)) / 100
						}
						if got < want-less-2*sigma || got > want+0.05+2*sigma {
							t.Errorf("tenth %d: %.3f of a fair share, want %.3f", tenth, got, want)
						}
						if got < before-less-2*sigma {
							t.Errorf("tenth %d: %.3f of a fair share after %.3f, want never less", tenth, got, before)
						}
						if tenth == 0 && cfg.MinPercent == 0 && got > 0.2 {
							t.Errorf("%.3f of a fair share in the first tenth, want at most 0.2", got)
						}
						before = got
						t.Logf("tenth %d: %.3f, ramp %.3f", tenth, got, want)
					}
					got, sigma := s.share(c, fresh, window)
					t.Logf("after it: %.3f", got)
					if math.Abs(got-1) > 0.05+2*sigma {
						t.Errorf("%.3f of a fair share after the window, want 0.95 to 1.05", got)
					}
				})
			}
		}
	}
}

// share goes on for some time, and is what e got then as a part of what the others had
// on average, with the deviation that chance alone gives it.
func (s *crowd) share(c *balance.Cluster, e *balance.Endpoint, d time.Duration) (share, sigma float64) {
	seen := map[*balance.Endpoint]int{}
	s.run(c.Picker(), s.now.Add(d), seen)
	total := 0
	for _, n := range seen {
		total += n
	}
	others := float64(total-seen[e]) / float64(len(c.Set().Endpoints)-1)
	share = float64(seen[e]) / others
	return share, math.Sqrt(max(share, 0.01) / others)
}

// A new endpoint that is slow gets less than the ramp from those who look at load: the
// ramp is a bound, not a promise.
func TestSlowStart_theSlowGetLess(t *testing.T) {
	const window = 100 * time.Second
	for name, most := range map[string]float64{"round robin": 0.8, "least request": 0.5, "power of two": 0.3} {
		rnd := rand.New(rand.NewPCG(9, 9))
		c := grown(balance.SlowStartFrom(balance.SlowStartConfig{Window: window}, algorithms()[name], rnd.Uint64), 9, 1, nil)
		fresh := c.Set().Endpoints[9]
		s := &crowd{t: t, rnd: rnd, now: fresh.Since(), gap: 4 * ms, mean: 80 * ms, slow: fresh, free: map[*balance.Endpoint]enmesh.Instant{}}
		s.share(c, fresh, window*6/10)
		got, _ := s.share(c, fresh, window*3/10)
		if got > most || got == 0 {
			t.Errorf("%s: an endpoint that is 10 times slower has %.3f of a fair share where the ramp is 0.75, want at most %v", name, got, most)
		}
	}
}

// All of them new: the oldest are the measure, and nobody is held back for nothing.
func TestSlowStart_allNew(t *testing.T) {
	const window = 100 * time.Second
	rnd := rand.New(rand.NewPCG(9, 9))
	for name, a := range algorithms() {
		synctest.Test(t, func(t *testing.T) {
			c := grown(balance.SlowStartFrom(balance.SlowStartConfig{Window: window}, a, rnd.Uint64), 1, 4, nil)
			c.Apply(told(5, nil)[1:])
			time.Sleep(20 * time.Second)
			c.Apply(told(9, nil)[1:])
			time.Sleep(20 * time.Second)
			p := c.Picker()
			seen := map[*balance.Endpoint]float64{}
			for range 20_000 {
				seen[mustPick(t, p, nil)]++
			}
			for i, e := range c.Set().Endpoints {
				want := 20_000.0 / 6 // 4 of age 40 s, 4 of age 20 s
				if i >= 4 {
					want /= 2
				}
				if got := seen[e]; math.Abs(got-want) > 0.1*want {
					t.Errorf("%s: endpoint %d had %v picks, want %.0f ± 10%%", name, i, got, want)
				}
			}
		})
	}
}

// A set that changes all the time, and little traffic: the share is the ramp's still. Every
// change lays rings and tables anew, on one goroutine, which the race detector makes
// twenty times slower: there, it is a twentieth of the changes for as many picks.
func TestSlowStart_survivesChanges(t *testing.T) {
	for name, a := range algorithms() {
		rnd := rand.New(rand.NewPCG(9, 9))
		c := grown(balance.SlowStartFrom(balance.SlowStartConfig{Window: 1000 * time.Second, MinPercent: 20}, a, rnd.Uint64), 9, 1, nil)
		fresh := c.Set().Endpoints[9]
		call := &enmesh.Call{Clock: fresh.Since()}
		picked := 0
		changes, picks := 4000, 15
		if raceEnabled {
			changes, picks = changes/20, picks*20
		}
		for i := range changes {
			list := told(10, nil)
			list[0].Labels["n"] = fmt.Sprint(i)
			c.Apply(list)
			for range picks {
				if mustPick(t, c.Picker(), call) == fresh {
					picked++
				}
			}
		}
		want := float64(changes*picks) * 0.2 / 9.2
		if got := float64(picked); math.Abs(got-want) > 0.2*want {
			t.Errorf("%s: the new one had %v picks, want %.0f ± 20%%", name, got, want)
		}
	}
}

// Picks from many goroutines, while endpoints come, go, fall ill and get well.
func TestSlowStart_survivesRaces(t *testing.T) {
	c := grown(balance.SlowStart(balance.SlowStartConfig{Window: 20 * ms}, balance.PowerOfTwo()), 9, 1, nil)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				e, err := c.Picker().Pick(nil)
				if err != nil {
					t.Errorf("Pick: %v", err)
					return
				}
				var a balance.Admission
				if err := e.Admit(context.Background(), nil, enmesh.Now(), &a); err == nil {
					a.Release(enmesh.Result{Ended: enmesh.Now()})
				}
			}
		})
	}
	for i := range 100 {
		c.Apply(told(10+i%5, nil))
		e := c.Set().Endpoints[i%10]
		e.SetHealthy(false)
		time.Sleep(ms)
		e.SetHealthy(true)
	}
	close(stop)
	wg.Wait()
}

func TestSlowStart_weights(t *testing.T) {
	for name, a := range algorithms() {
		if name == "round robin" || name == "least request of 5" {
			continue // leave weights aside, or approximate them
		}
		rnd := rand.New(rand.NewPCG(9, 9))
		c := grown(balance.SlowStartFrom(balance.SlowStartConfig{Window: 1000 * time.Second, MinPercent: 50}, a, rnd.Uint64), 5, 1, func(i int) uint32 { return uint32(1 + i) })
		fresh := c.Set().Endpoints[5]
		call := &enmesh.Call{Clock: fresh.Since()}
		picked := 0
		for range 40_000 {
			if mustPick(t, c.Picker(), call) == fresh {
				picked++
			}
		}
		want := 40_000 * 3.0 / 18 // half of weight 6, beside 15
		if got := float64(picked); math.Abs(got-want) > 0.07*want {
			t.Errorf("%s: the new one had %v picks, want %.0f ± 7%%", name, got, want)
		}
	}
}

// With two endpoints, a choice by load would offer the idle new one each time.
func TestSlowStart_twoEndpoints(t *testing.T) {
	c := grown(balance.SlowStartFrom(balance.SlowStartConfig{Window: time.Hour}, balance.LeastRequestFrom(2, seeded()), seeded()), 1, 1, nil)
	eps := c.Set().Endpoints
	hold(t, eps[0], 50)
	call := &enmesh.Call{Clock: eps[1].Since()}
	picked := 0
	for range 11_000 {
		if mustPick(t, c.Picker(), call) == eps[1] {
			picked++
		}
	}
	if picked < 900 || picked > 1100 {
		t.Errorf("the new one had %d of 11000 picks, want 1000 ± 10%%", picked)
	}
	eps[0].Eject(enmesh.Now().Add(time.Hour))
	if got := mustPick(t, c.Picker(), call); got != eps[1] {
		t.Error("picked the ejected one, with a new one there")
	}
	if got := mustPick(t, c.Picker(), callThatTried(eps[0])); got != eps[1] {
		t.Error("picked a tried one, with a new one there")
	}
}

func TestSlowStart_whoIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(told(2, nil))
		c.Apply(told(3, nil))
		eps := c.Set().Endpoints
		if eps[0].Since() != 0 || eps[2].Since() != enmesh.Now() {
			t.Errorf("new since %v and %v, want never for the first, now for the third", eps[0].Since(), eps[2].Since())
		}
		time.Sleep(time.Minute)
		eps[0].Eject(enmesh.Now().Add(time.Second))
		eps[1].SetHealthy(true) // as it was
		time.Sleep(time.Minute)
		if eps[0].Since() != 0 || eps[1].Since() != 0 {
			t.Error("who was ejected, or healthy all the time, is not new")
		}
		eps[0].SetHealthy(false)
		time.Sleep(time.Minute)
		eps[0].SetHealthy(true)
		if eps[0].Since() != enmesh.Now() {
			t.Error("who is healthy again is new")
		}
		c.Apply(nil)
		c.Apply(told(2, nil))
		if got := c.Set().Endpoints[0].Since(); got != 0 {
			t.Errorf("new since %v in a set that was empty, want never", got)
		}
	})
}

func TestSlowStartConfig_Factor(t *testing.T) {
	const w = time.Minute
	for _, tc := range []struct {
		cfg  balance.SlowStartConfig
		age  time.Duration
		want float64
	}{
		{balance.SlowStartConfig{}, 0, 1},
		{balance.SlowStartConfig{Window: w}, -time.Hour, 0.1},
		{balance.SlowStartConfig{Window: w}, 0, 0.1},
		{balance.SlowStartConfig{Window: w}, w / 2, 0.5},
		{balance.SlowStartConfig{Window: w}, w, 1},
		{balance.SlowStartConfig{Window: w, Aggression: math.NaN()}, w / 2, 0.5},
		{balance.SlowStartConfig{Window: w, Aggression: 2}, w / 4, 0.5},
		{balance.SlowStartConfig{Window: w, Aggression: 0.5}, w / 2, 0.25},
		{balance.SlowStartConfig{Window: w, MinPercent: 30}, w / 4, 0.3},
		{balance.SlowStartConfig{Window: w, MinPercent: 300}, 0, 1},
	} {
		if got := tc.cfg.Factor(tc.age); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%+v after %v: %v, want %v", tc.cfg, tc.age, got, tc.want)
		}
	}
}

func TestSlowStart_costs(t *testing.T) {
	for _, fresh := range []int{0, 3} {
		c := grown(balance.SlowStart(balance.SlowStartConfig{Window: time.Hour}, balance.LeastRequest(2)), 10, fresh, nil)
		p := c.Picker()
		call := &enmesh.Call{Clock: enmesh.Now()}
		if got := testing.AllocsPerRun(1000, func() { mustPick(t, p, call) }); got != 0 {
			t.Errorf("a pick with %d new endpoints allocates %v times, want 0", fresh, got)
		}
	}
	if got := balance.SlowStart(balance.SlowStartConfig{}, balance.RoundRobin()); fmt.Sprintf("%T", got(endpoints(3, nil))) != "*balance.roundRobin" {
		t.Error("without a window there is a slow start")
	}
}

func BenchmarkSlowStart(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		for _, fresh := range []int{0, 1, n / 2} {
			for _, wrapped := range []bool{false, true} {
				a := balance.LeastRequest(2)
				if wrapped {
					a = balance.SlowStart(balance.SlowStartConfig{Window: time.Hour}, a)
				}
				p := grown(a, n-fresh, fresh, nil).Picker()
				b.Run(fmt.Sprintf("n=%d/new=%d/slowstart=%t", n, fresh, wrapped), func(b *testing.B) {
					b.ReportAllocs()
					call := &enmesh.Call{Clock: enmesh.Now()}
					for b.Loop() {
						if _, err := p.Pick(call); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func ExampleSlowStart() {
	cluster := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.SlowStart(balance.SlowStartConfig{Window: 30 * time.Second}, balance.LeastRequest(2)),
	})
	cluster.Apply(told(9, nil))
	cluster.Apply(told(10, nil)) // one more, which is new
	picked := 0
	for range 9100 {
		if e, err := cluster.Picker().Pick(nil); err == nil && e.Since() != 0 {
			picked++
		}
	}
	fmt.Println("about a tenth of a fair share:", picked > 80 && picked < 120)
	// Output: about a tenth of a fair share: true
}
