// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// The numbers of admission.
const (
	period    = 250 * time.Millisecond // in which arrivals are counted, after which the load is read
	idle      = 10 * period            // without arrivals, after which nothing is refused
	deepest   = 0.8                    // of what was admitted: the most that is cut in one period
	steepest  = 1.1                    // the most that is added in one
	leastPart = 0.01                   // that is admitted always, to see when it is over

	always = 1 << 20 // what parts are parts of
)

// admission is which part of the calls goes through, and how that divides among the
// levels. It follows DAGOR (Zhou and others, "Overload Control for Scaling WeChat
// Microservices", SoCC 2018): count what arrived in a period at each level, move the
// number to admit by the load, and give it to the levels from the top.
//
// DAGOR moves by fixed steps, 5% down and 1% up. Here the step is by how far the load is
// from what is allowed, since CPU goes with the number admitted: what is twice too much
// asks for half.
type admission struct {
	cfg      Config
	arrived  [levels]atomic.Int64
	accepted [levels]atomic.Uint32 // part of each level, in units of 1/always
	ends     atomic.Int64          // an Instant: of this period

	mu       sync.Mutex // guards admitted; whoever finds it taken goes on without
	admitted float64    // part of all calls
}

func (a *admission) open(cfg Config) {
	a.cfg, a.admitted = cfg, 1
	for i := range a.accepted {
		a.accepted[i].Store(always)
	}
}

func (a *admission) part() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.admitted
}

// admit counts a call that arrived at now, and reports whether it may go.
func (a *admission) admit(rank int, now enmesh.Instant) bool {
	if now >= enmesh.Instant(a.ends.Load()) {
		a.roll(now)
	}
	a.arrived[rank].Add(1)
	return lucky(a.accepted[rank].Load())
}

// roll ends the period.
func (a *admission) roll(now enmesh.Instant) {
	if !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	ends := enmesh.Instant(a.ends.Load())
	if now < ends {
		return
	}
	a.ends.Store(int64(now.Add(period)))
	if now.Sub(ends) > idle {
		a.admitted = 1
	} else {
		a.admitted = follow(a.admitted, a.cfg.pressure(a.cfg.Source.Load()))
	}
	var arrived [levels]int64
	for i := range arrived {
		arrived[i] = a.arrived[i].Swap(0)
	}
	for i, part := range divide(a.admitted, arrived) {
		a.accepted[i].Store(uint32(part * always))
	}
}

// follow is the part to admit after one with which the pressure was p.
func follow(admitted, p float64) float64 {
	step := steepest
	if p > 0 {
		step = min(max(1/p, deepest), steepest)
	}
	return min(max(admitted*step, leastPart), 1)
}

// divide gives a part of all that arrived to the levels, those that matter most first. A
// level of which nothing arrived has what is left over.
func divide(admitted float64, arrived [levels]int64) (parts [levels]float64) {
	total := int64(0)
	for _, n := range arrived {
		total += n
	}
	left := admitted * float64(total)
	for i := levels - 1; i >= 0; i-- {
		switch n := float64(arrived[i]); {
		case admitted == 1 || left > n:
			parts[i] = 1
		case n > 0:
			parts[i] = left / n
		case total == 0:
			parts[i] = admitted
		}
		left = max(0, left-float64(arrived[i]))
	}
	return parts
}
