// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// dial is a load that a test sets.
type dial struct{ load shed.Load }

func (d *dial) Load() shed.Load { return d.load }

// plant is a program whose load goes with what it admits, in time that is only counted.
type plant struct {
	shedder  *shed.Shedder
	dial     *dial
	now      enmesh.Instant
	capacity float64 // calls a second that use all of the CPU
	queued   float64 // seconds of work that wait
}

// second offers so many calls of each level, by rank, evenly over a second, and gives how
// many of each were admitted.
func (p *plant) second(offered [4]int) (admitted [4]int) {
	const steps = 100
	for step := range steps {
		n := 0
		for rank, of1 := range offered {
			for range of1*(step+1)/steps - of1*step/steps {
				token, err := p.shedder.Admit(of[rank], &enmesh.Call{Side: enmesh.Server, Clock: p.now})
				if err != nil {
					continue
				}
				p.shedder.Done(token, enmesh.Result{})
				admitted[rank]++
				n++
			}
		}
		p.now = p.now.Add(time.Second / steps)
		p.queued = max(0, p.queued+float64(n)/p.capacity-1.0/steps)
		p.dial.load.Delay = time.Duration(p.queued * float64(time.Second))
		use := min(1, float64(n)*steps/p.capacity)
		p.dial.load.CPU = 0.9*p.dial.load.CPU + 0.1*use
	}
	return admitted
}

func newPlant(t *testing.T, cfg shed.Config) *plant {
	t.Helper()
	d := &dial{}
	cfg.Source = d
	return &plant{shedder: mustNew(t, cfg), dial: d, now: enmesh.Now(), capacity: 1000}
}

// By CPU and by delay alike: four times too much comes down to what is allowed, from the
// bottom; when it is over, everybody is admitted again.
func TestShedder_shedsFromTheBottom(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  shed.Config
		most int // a second, once it has settled
	}{
		{"by CPU", shed.Config{}, 1000},
		{"by delay", shed.Config{CPU: -1, Delay: 5 * time.Millisecond}, 1200},
		{"by both", shed.Config{Delay: 5 * time.Millisecond}, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, tt.cfg)
			if got, offered := p.second([4]int{100, 100, 300, 200}), [4]int{100, 100, 300, 200}; got != offered {
				t.Errorf("of %v %v are admitted, want all", offered, got)
			}
			offered := [4]int{2400, 1000, 400, 200}
			var got [4]int
			for range 15 {
				got = p.second(offered)
			}
			total := got[0] + got[1] + got[2] + got[3]
			t.Logf("of %v are admitted %v, %d; part %.3f, %+v", offered, got, total, p.shedder.Admitted(), p.dial.load)
			if total < 700 || total > tt.most {
				t.Errorf("%d a second are admitted, want from 700 to %d", total, tt.most)
			}
			if got[3] != 200 || got[2] != 400 || got[1] == 0 || got[0] > total/50 {
				t.Errorf("admitted are %v of %v, want all that matters and none of the least", got, offered)
			}
			for range 15 {
				got = p.second([4]int{100, 100, 300, 200})
			}
			if got != [4]int{100, 100, 300, 200} || p.shedder.Admitted() != 1 {
				t.Errorf("when it is over %v are admitted, part %.3f; want all", got, p.shedder.Admitted())
			}
		})
	}
}

func TestShedder_forgetsWhileIdle(t *testing.T) {
	p := newPlant(t, shed.Config{})
	for range 10 {
		p.second([4]int{0, 0, 5000, 0})
	}
	if p.shedder.Admitted() > 0.5 {
		t.Fatalf("%.2f are admitted, want few", p.shedder.Admitted())
	}
	p.now = p.now.Add(time.Minute)
	if got := p.second([4]int{0, 0, 10, 0}); got[2] != 10 {
		t.Errorf("after a pause %d of 10 are admitted, want all", got[2])
	}
}

// A load that is not known sheds nothing.
func TestShedder_shedsNothingUnknown(t *testing.T) {
	d := &dial{shed.Load{CPU: -1, Delay: -1}}
	p := &plant{shedder: mustNew(t, shed.Config{Delay: 1, Source: d}), dial: &dial{}, now: enmesh.Now(), capacity: 1}
	for range 5 {
		if got := p.second([4]int{100, 0, 0, 0}); got[0] != 100 {
			t.Errorf("%d of 100 are admitted, want all", got[0])
		}
	}
}

func TestShedder_boundsCallsInFlight(t *testing.T) {
	s := mustNew(t, shed.Config{CPU: -1, InFlight: 100})
	var tokens []enmesh.Token
	for _, tt := range []struct{ rank, want int }{{0, 50}, {1, 75}, {2, 100}, {3, 110}, {0, 110}, {2, 110}} {
		for {
			token, err := s.Admit(of[tt.rank], &enmesh.Call{})
			if err != nil {
				break
			}
			tokens = append(tokens, token)
		}
		if len(tokens) != tt.want {
			t.Errorf("%v fills up to %d, want %d", levels[tt.rank], len(tokens), tt.want)
		}
	}
	for _, token := range tokens {
		s.Done(token, enmesh.Result{})
	}
	if s.InFlight() != 0 {
		t.Errorf("%d in flight at the end, want 0", s.InFlight())
	}
}

func TestShedder_refusalStopsRetries(t *testing.T) {
	s := mustNew(t, shed.Config{CPU: -1, InFlight: 1})
	_, _ = s.Admit(of[2], &enmesh.Call{})
	_, err := s.Admit(of[2], &enmesh.Call{})
	e := enmesh.ErrorOf(err)
	if !errors.Is(err, shed.ErrOverloaded) || e.Code != enmesh.Unavailable || e.Status != 503 || e.RetryAfter >= 0 ||
		e.Flag != enmesh.FlagOverflow || e.Outcome != enmesh.Neutral || e.Policy != "shed" {
		t.Errorf("got %#v, want 503, Unavailable, UO, neutral and no retry", e)
	}
}

func TestShedder_refusesBadConfigs(t *testing.T) {
	for want, cfg := range map[string]shed.Config{
		"CPU 1.1": {CPU: 1.1}, "CPU NaN": {CPU: math.NaN()}, "Delay": {Delay: -1}, "InFlight": {InFlight: -1},
	} {
		if _, err := shed.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "shed: "+want) {
			t.Errorf("%+v: got %v, want an error about %s", cfg, err, want)
		}
	}
}

func TestShedder_conforms(t *testing.T) {
	for name, cfg := range map[string]shed.Config{
		"wide":  {Source: &dial{}, InFlight: 1000},
		"tight": {CPU: -1, InFlight: 1},
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestGate(t, func() enmesh.Gate { return mustNew(t, cfg) })
		})
	}
}

// A Shedder without a Source has a Sampler of its own, which Close ends.
func TestShedder_readsThisMachine(t *testing.T) {
	s := mustNew(t, shed.Config{})
	if _, err := s.Admit(context.Background(), &enmesh.Call{Clock: enmesh.Now()}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// overloaded is a shedder whose load is far too high: it refuses what is SHEDDABLE.
func overloaded(tb testing.TB) *shed.Shedder {
	tb.Helper()
	s := mustNew(tb, shed.Config{Source: &dial{shed.Load{CPU: 9}}})
	now := enmesh.Now()
	for range 40 { // all in the critical rest
		for range 100 {
			if token, err := s.Admit(of[3], &enmesh.Call{Clock: now}); err == nil {
				s.Done(token, enmesh.Result{})
			}
		}
		_, _ = s.Admit(of[0], &enmesh.Call{Clock: now})
		now = now.Add(250 * time.Millisecond)
	}
	if _, err := s.Admit(of[0], &enmesh.Call{Clock: now}); err == nil {
		tb.Fatal("it is not refused")
	}
	return s
}

func TestShedder_allocatesNothing(t *testing.T) {
	refuses, allows := overloaded(t), mustNew(t, shed.Config{Source: &dial{}, InFlight: 100})
	c := &enmesh.Call{Clock: 1}
	n := testing.AllocsPerRun(1000, func() {
		_, _ = refuses.Admit(of[0], c)
		token, _ := allows.Admit(of[0], c)
		allows.Done(token, enmesh.Result{})
		c.Clock++
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkShedder(b *testing.B) {
	admit := func(s *shed.Shedder, c *enmesh.Call) {
		if token, err := s.Admit(of[0], c); err == nil {
			s.Done(token, enmesh.Result{})
		}
	}
	for _, bb := range []struct {
		name string
		s    *shed.Shedder
	}{
		{"admit", mustNew(b, shed.Config{Source: &dial{}, InFlight: 1000})},
		{"refuse", overloaded(b)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := &enmesh.Call{Clock: 1}
			b.ReportAllocs()
			for b.Loop() {
				admit(bb.s, c)
			}
		})
		b.Run(bb.name+" in parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := &enmesh.Call{Clock: 1}
				for pb.Next() {
					admit(bb.s, c)
				}
			})
		})
	}
}
