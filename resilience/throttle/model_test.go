// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle_test

import (
	"math"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

// What became of a call of the model's.
const (
	pending = iota
	accepted
	tooMany
	refusedHere
	void
)

type made struct {
	part   int64
	rank   int
	became int
	token  enmesh.Token
}

// model remembers every call and counts anew each time.
type model struct {
	cfg   throttle.Config
	calls []made
	free  enmesh.Instant
}

// count is how many calls of the parts from since to now there are, and what became of them.
func (m *model) count(since, now int64) (all, acc, over, here float64, ranks [4]float64) {
	for _, c := range m.calls {
		if c.part < since || c.part > now || c.became == void {
			continue
		}
		all++
		ranks[c.rank]++
		switch c.became {
		case accepted:
			acc++
		case tooMany:
			over++
		case refusedHere:
			here++
		}
	}
	return all, acc, over, here, ranks
}

func (m *model) excess(since, now int64) float64 {
	all, acc, over, here, _ := m.count(since, now)
	waiting := all - here - (acc + over)
	if acc+over > 0 {
		waiting *= acc / (acc + over)
	}
	return math.Max(0, (all-m.cfg.Multiplier*(acc+waiting))/(all+1))
}

func (m *model) admit(at enmesh.Instant, part int64, rank int, draw uint32) bool {
	all, acc, over, _, ranks := m.count(part-19, part)
	if over == 0 || acc+over < float64(m.cfg.MinRequests) {
		return true
	}
	refuse := math.Min(m.excess(part-19, part), m.excess(part-1, part)) * all
	for lower := range rank {
		refuse -= ranks[lower]
	}
	if refuse <= 0 {
		return true
	}
	share := refuse / math.Max(ranks[rank], 1)
	if share < 1 && draw >= uint32(share*(1<<24)) {
		return true
	}
	if at < m.free {
		return false
	}
	m.free = at.Add(time.Second / time.Duration(m.cfg.MinPerSecond))
	return true
}

// FuzzThrottle drives a Throttle and the model by the same bytes: each is an operation in
// its lower two bits, and in the rest which call, or how long.
func FuzzThrottle(f *testing.F) {
	f.Add(uint8(2), uint8(10), []byte{0, 2, 0, 2, 0, 2, 0, 2, 4, 8, 12, 0, 3, 255, 0, 1})
	f.Add(uint8(3), uint8(128), []byte{0, 0, 0, 0, 0, 2, 2, 2, 2, 1, 8, 24, 40, 56, 63, 0, 0, 0})
	f.Fuzz(func(t *testing.T, multiplier, chance uint8, ops []byte) {
		if multiplier < 2 || multiplier > 100 || len(ops) > 1000 {
			return
		}
		cfg := throttle.Config{Multiplier: float64(multiplier), Window: 2 * time.Second, MinRequests: 3, MinPerSecond: 4}
		draw := uint32(chance) << 16
		th := mustNew(t, cfg, throttle.Draw(func(uint32) uint32 { return draw }))
		m := &model{cfg: cfg}
		at := enmesh.Instant(1000 * time.Second)
		levels := []enmesh.Criticality{enmesh.Sheddable, enmesh.SheddablePlus, enmesh.Critical, enmesh.CriticalPlus}
		ends := []error{nil, overloaded, enmesh.ErrCanceled}
		for i, op := range ops {
			part, arg := int64(at)/int64(100*time.Millisecond), int(op>>2)
			switch op & 3 {
			case 0:
				token, got := th.AdmitAt(at, levels[arg%4])
				if want := m.admit(at, part, arg%4, draw); got != want {
					t.Fatalf("operation %d: let through: %v, want %v", i, got, want)
				}
				one := made{part: part, rank: arg % 4, became: refusedHere, token: token}
				if got {
					one.became = pending
				}
				m.calls = append(m.calls, one)
			case 1, 2:
				if id := m.waiting(arg); id >= 0 {
					c := &m.calls[id]
					how := (arg + int(op&3)) % 3
					th.Done(c.token, enmesh.Result{Err: ends[how]})
					c.became = []int{accepted, tooMany, void}[how]
				}
			case 3:
				at = at.Add(time.Duration(arg) * 5 * time.Millisecond)
			}
		}
	})
}

// waiting is a call without an end, or -1.
func (m *model) waiting(skip int) int {
	for i := range m.calls {
		at := (i + skip) % len(m.calls)
		if m.calls[at].became == pending {
			return at
		}
	}
	return -1
}
