// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import "github.com/enmesh-go/enmesh"

// phase is an era and the state that the breaker is in throughout, in one word:
//
//	era (61 bits) | forced (1) | state (2)
//
// The era changes with every transition.
type phase uint64

const (
	stateMask  = 1<<2 - 1
	forcedFlag = 1 << 2
	eraShift   = 3
)

func (p phase) state() State { return State(p & stateMask) }
func (p phase) forced() bool { return p&forcedFlag != 0 }
func (p phase) era() uint64  { return uint64(p) >> eraShift }

// next is the phase after p.
func (p phase) next(to State, forced bool) phase {
	n := phase((p.era()+1)<<eraShift) | phase(to)
	if forced {
		n |= forcedFlag
	}
	return n
}

// A token is one word. A call that a closed breaker let through has its era and when it
// was admitted:
//
//	0 | era (27 bits) | admitted, in 1024 ns, rounded up (36 bits, 19 hours, then from 0 again)
//
// and a probe, whose lease knows the rest, its number:
//
//	1 | number (63 bits)
//
// passed is what a breaker in shadow would have refused.
const (
	probeFlag = 1 << 63
	passed    = 1<<63 - 1
	eraMask   = 1<<27 - 1
	tickShift = 10
	tickBits  = 36
	tickMask  = 1<<tickBits - 1
)

func closedToken(p phase, now enmesh.Instant) enmesh.Token {
	return enmesh.Token{N: (p.era()&eraMask)<<tickBits | (uint64(now)+1<<tickShift-1)>>tickShift&tickMask}
}

func sameEra(t enmesh.Token, p phase) bool {
	return t.N>>tickBits == p.era()&eraMask && p.state() == Closed
}

// startOf is when the call was admitted whose answer came at the instant at.
func startOf(t enmesh.Token, at enmesh.Instant) enmesh.Instant {
	took := (uint64(at)>>tickShift - t.N) & tickMask
	if took > tickMask/2 { // less than one, or the two clocks are not in order
		return at
	}
	return at - enmesh.Instant(took<<tickShift)
}

func probeToken(id uint64) enmesh.Token { return enmesh.Token{N: probeFlag | id} }

func probeOf(t enmesh.Token) (id uint64, is bool) { return t.N &^ probeFlag, t.N&probeFlag != 0 }
