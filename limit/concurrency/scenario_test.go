// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency_test

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/concurrency"
)

// station is a far side with slots, in time that is only counted: what finds none free
// waits in the order of its coming, or is refused.
type station struct {
	gate    *concurrency.Adaptive
	rng     *rand.Rand
	slots   int
	service time.Duration // mean
	varied  bool          // evenly from 0 to twice the mean, else all alike
	refuses bool          // instead of letting wait

	now            enmesh.Instant
	busy           int
	waiting        []job
	events         agenda
	served, turned int
}

type job struct {
	token enmesh.Token
	ends  enmesh.Instant
}

type agenda []job

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].ends < a[j].ends }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(job)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	j := (*a)[last]
	*a = (*a)[:last]
	return j
}

var errTooMany = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

func (s *station) arrive(side enmesh.Side) {
	token, err := s.gate.Admit(ctx, &enmesh.Call{Side: side, Clock: s.now})
	if err != nil {
		s.turned++
		return
	}
	switch j := (job{token: token}); {
	case s.busy < s.slots:
		s.start(j)
	case s.refuses:
		s.gate.Done(token, enmesh.Result{Err: errTooMany, Outcome: enmesh.Failure, Answered: s.now, Ended: s.now})
	default:
		s.waiting = append(s.waiting, j)
	}
}

func (s *station) start(j job) {
	s.busy++
	d := s.service
	if s.varied {
		d = time.Duration(2 * s.rng.Float64() * float64(d))
	}
	j.ends = s.now.Add(d)
	heap.Push(&s.events, j)
}

func (s *station) finish(j job) {
	s.busy--
	s.served++
	s.gate.Done(j.token, enmesh.Result{Answered: s.now, Ended: s.now})
	if len(s.waiting) > 0 && s.busy < s.slots {
		next := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.start(next)
	}
}

// run offers rate calls a second for d, and gives the limit at every 10 ms.
func (s *station) run(rate float64, d time.Duration, side enmesh.Side) []int64 {
	var limits []int64
	end, arrival, sample := s.now.Add(d), s.now, s.now
	for s.now < end {
		arrival = arrival.Add(time.Duration(s.rng.ExpFloat64() / rate * float64(time.Second)))
		for s.events.Len() > 0 && s.events[0].ends <= arrival {
			j := heap.Pop(&s.events).(job)
			s.now = j.ends
			s.finish(j)
		}
		s.now = arrival
		s.arrive(side)
		for ; sample <= s.now; sample = sample.Add(10 * time.Millisecond) {
			limits = append(limits, s.gate.Limit())
		}
	}
	return limits
}

// TestScenarioO4_capacityHalvesThenDoubles: within 10 s of each change the limit is within
// 30% of what the far side can do at once, and from there on it does not swing by more than two
// times. Where calls take equally long, that is so at every moment, the looks at an emptier
// far side included. Where they take anything up to twice the mean, what a window measures is
// in part its luck, and a limit that is somewhat low when a look begins is lowered from there: then it
// is within 30% for nine tenths of the time, and within 40% always.
func TestScenarioO4_capacityHalvesThenDoubles(t *testing.T) {
	const service = 50 * time.Millisecond
	timely := concurrency.AdaptiveConfig{Algorithm: concurrency.AIMD, Timeout: service * 125 / 100}
	for _, tt := range []struct {
		name    string
		cfg     concurrency.AdaptiveConfig
		varied  bool
		refuses bool
	}{
		{"gradient2", concurrency.AdaptiveConfig{}, false, false},
		{"gradient2, varied service", concurrency.AdaptiveConfig{}, true, false},
		{"gradient2, refusals", concurrency.AdaptiveConfig{}, true, true},
		{"vegas", concurrency.AdaptiveConfig{Algorithm: concurrency.Vegas}, false, false},
		{"vegas, varied service", concurrency.AdaptiveConfig{Algorithm: concurrency.Vegas}, true, false},
		{"aimd", timely, false, false},
		{"aimd, varied service", timely, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &station{
				gate: mustAdaptive(t, tt.cfg), rng: rand.New(rand.NewPCG(1, 2)),
				service: service, varied: tt.varied, refuses: tt.refuses, now: enmesh.Now(),
			}
			for _, slots := range []int{100, 50, 100, 100} { // the last one longer than a look takes to come
				s.slots = slots
				s.served, s.turned = 0, 0
				limits := s.run(6000, 20*time.Second, enmesh.Client)
				settled := slices.Sorted(slices.Values(limits[len(limits)/2:]))
				low, high := settled[0], settled[len(settled)-1]
				least, most := settled[len(settled)/20], settled[len(settled)*19/20]
				used := float64(s.served) / (20 * float64(slots) / service.Seconds())
				t.Logf("%3d at once: limit %d..%d after 10 s, %d..%d of 90%% of the time, %.3f of the capacity used, %d refused", slots, low, high, least, most, used, s.turned)
				if !within(0.3, slots, least, most) || tt.varied && !within(0.4, slots, low, high) || !tt.varied && !within(0.3, slots, low, high) {
					t.Errorf("after 10 s the limit is %d to %d, and %d to %d for 90%% of the time; want within 30%% of %d (varied: 40%%, and 30%%)",
						low, high, least, most, slots)
				}
				if high > 2*low {
					t.Errorf("the limit swings from %d to %d, want at most two times", low, high)
				}
			}
		})
	}
}

// within reports whether two limits are no further than a part of it from what the far side
// can do at once.
func within(part float64, slots int, low, high int64) bool {
	return float64(low) >= (1-part)*float64(slots) && float64(high) <= (1+part)*float64(slots)
}

// A far side that becomes slower as such can do as many calls at once as before: the limit
// falls at first, and comes back.
func TestScenarioO4_farSideBecomesSlower(t *testing.T) {
	for _, algorithm := range []concurrency.Algorithm{concurrency.Gradient2, concurrency.Vegas} {
		t.Run(algorithm.String(), func(t *testing.T) {
			s := &station{
				gate: mustAdaptive(t, concurrency.AdaptiveConfig{Algorithm: algorithm}), rng: rand.New(rand.NewPCG(1, 2)),
				service: 50 * time.Millisecond, slots: 100, varied: true, now: enmesh.Now(),
			}
			s.run(6000, 20*time.Second, enmesh.Server)
			s.service *= 2
			limits := s.run(6000, 20*time.Second, enmesh.Server)
			settled := slices.Sorted(slices.Values(limits[len(limits)/2:]))
			least, most := settled[len(settled)/20], settled[len(settled)*19/20]
			t.Logf("limit down to %d, %d..%d after 10 s", slices.Min(limits), least, most)
			if least < 70 || most > 130 {
				t.Errorf("after 10 s the limit is %d to %d, want within 30%% of 100", least, most)
			}
		})
	}
}
