// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// pace is what a new endpoint has earned in a slow start and not spent yet. It is the
// generic cell rate algorithm (ITU-T I.371), with rounds of picks for time.
//
// The word changes without a lock. From the top: 16 bits for whose rounds count, 24 of
// its picks when the word was written, 24 for what was left then, in units of 2^-20.
// 0 is "never offered while new".
type pace struct {
	word atomic.Uint64
	by   atomic.Pointer[rounds] // whose, as far as the word agrees
}

// rounds is what one picker counts: it outlives the picker for as long as an endpoint
// has not settled with the next.
type rounds struct {
	id     uint16
	picks  atomic.Uint32 // how many went to endpoints that are not new
	weight atomic.Uint64 // a float64: of those, together
}

const (
	paceBits = 24
	paceMask = 1<<paceBits - 1
	paceUnit = 1 << 20
	// maxPace is what can be saved up: so many picks come at once at most, and so
	// irregularly may an algorithm offer the endpoint without loss.
	maxPace = paceMask
)

func newRounds() *rounds { return &rounds{id: uint16(rand.Uint32())} }

// since is how many rounds have passed after so many picks, for an endpoint of some
// weight.
func (r *rounds) since(picks uint64, weight float64) float64 {
	all := math.Float64frombits(r.weight.Load())
	if all == 0 {
		return 0
	}
	return float64((uint64(r.picks.Load())-picks)&paceMask) * weight / all
}

// stake is how an endpoint takes part in the rounds of a picker.
type stake struct {
	rounds *rounds
	salt   uint16  // differs from one slow start of the endpoint to the next
	factor float64 // what it earns in a round
	weight float64
}

func (s *stake) id() uint16 { return s.rounds.id ^ s.salt }

// earned is what a word is worth now, and the rounds that have passed since it was
// written. Where another picker wrote it, these were that one's.
func (p *pace) earned(w uint64, s *stake, random source) (credit, passed float64) {
	id, picks := uint16(w>>(2*paceBits)), w>>paceBits&paceMask
	credit = float64(w & paceMask)
	by := p.by.Load()
	switch {
	case w == 0:
		// Whether the first pick comes early or late is left to chance: with little
		// traffic between two changes of the set, it would else never come.
		return float64(random() >> (64 - 20)), 1
	case id == s.id():
		passed = s.rounds.since(picks, s.weight)
	case by != nil && by.id^s.salt == id:
		passed = by.since(picks, s.weight)
	}
	return credit + paceUnit*s.factor*passed, passed
}

// spend takes one pick if it was earned.
func (p *pace) spend(s *stake, random source) bool {
	for {
		w := p.word.Load()
		credit, passed := p.earned(w, s, random)
		left := uint64(min(credit, maxPace))
		spent := left >= paceUnit
		if spent {
			left -= paceUnit
		} else if passed < 0.1 && p.by.Load() == s.rounds {
			return false // not written, so that little is lost to rounding
		}
		if p.write(w, left, s) {
			return spent
		}
	}
}

// settle has the endpoint earn from the rounds of a new picker.
func (p *pace) settle(s *stake, random source) {
	w := p.word.Load()
	credit, _ := p.earned(w, s, random)
	p.write(w, uint64(min(credit, maxPace)), s)
}

func (p *pace) write(before, left uint64, s *stake) bool {
	picks := uint64(s.rounds.picks.Load()) & paceMask
	if !p.word.CompareAndSwap(before, uint64(s.id())<<(2*paceBits)|picks<<paceBits|left) {
		return false
	}
	if p.by.Load() != s.rounds {
		p.by.Store(s.rounds)
	}
	return true
}
