// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// How latency is learned. The decay is Linkerd's and Finagle's default.
const (
	decay = 10 * time.Second

	// An estimate above so many answers like the last one is doubted, and fades so many
	// times faster while it is.
	doubt = 3
	haste = 16

	// penalty is what one failure multiplies the estimate by; maxPenalty bounds what
	// repeated failures alone can reach, firstPenalty is for an endpoint that fails
	// its very first call, maxPushback bounds what the far side can ask for.
	penalty      = 4
	firstPenalty = time.Second
	maxPenalty   = 5 * time.Second
	maxPushback  = 300 * time.Second
)

// price is a peak-EWMA of latency (Finagle's, as in Linkerd): a sample above the
// estimate replaces it at once, one below is blended in with the weight
// 1-exp(-Δt/decay).
//
// A peak is believed at once, and forgotten soon unless answers confirm it: while the
// estimate is more than doubt times what is seen, decay is a sixteenth (haste). Else one
// pause on the client's side, which shows in every endpoint's next answer, would hide for
// many seconds which of them is slow. What failures added is not doubted. Of pauses of the
// process itself no peak is made where they are noticed, see standstill.
//
// Estimate and time of the last sample are one word, so that both change together
// without a lock: the upper half is a float32 of nanoseconds, whose last bit says that
// a failure made it (blamed), the lower the time in units of 2^20 ns (about 1 ms). A
// sample in the same unit as the one before can raise the estimate, not lower it. The
// time wraps after 52 days; an estimate older than 26 days may count as new. 0 is
// "nothing known".
type price struct{ word atomic.Uint64 }

const (
	tickBits = 20
	blamed   = 1 << 32
)

func tickOf(at enmesh.Instant) uint32 { return uint32(at >> tickBits) }

// load is the estimate in nanoseconds, 0 when nothing is known, and its tick.
func (p *price) load() (ns float64, tick uint32) {
	return unpack(p.word.Load())
}

// fade is the weight that an estimate made at tick still has at now.
func fade(tick, now uint32) float64 {
	age := int32(now - tick)
	if age <= 0 {
		return 1
	}
	x := float64(age) * (float64(1<<tickBits) / float64(decay))
	if x < 1./32 { // the common case, at a third of the price of math.Exp; exact to 1e-8
		return 1 - x*(1-x*(1./2-x*(1./6)))
	}
	return math.Exp(-x)
}

// observe learns from an answer. Of one that took surprisingly long, the time is left out
// that the process itself stood still; still may be nil.
func (p *price) observe(latency time.Duration, at enmesh.Instant, still *standstill) {
	if still != nil {
		still.touch()
	}
	sample := max(float64(latency), 1)
	for {
		w := p.word.Load()
		old, tick := unpack(w)
		now := tickOf(at)
		if sample > old*doubt && old != 0 && still != nil {
			sample = max(float64(latency-still.lost(at.Add(-latency), at)), 1)
			still = nil // which has been asked
		}
		ns, blame := sample, uint64(0)
		if sample < old {
			if int32(now-tick) <= 0 {
				return // which is usual under load, and takes no cache line from others
			}
			blame = w & blamed
			kept := fade(tick, now)
			if blame == 0 && sample*doubt < old {
				kept *= kept // four times: to the power of haste
				kept *= kept
				kept *= kept
				kept *= kept
			}
			ns = old*kept + sample*(1-kept)
		}
		if p.word.CompareAndSwap(w, pack(ns, w, now)|blame) {
			return
		}
	}
}

// penalise learns from a failure, which may have been quick: it must not draw
// traffic. The estimate is multiplied, so that one failure among many calls is soon
// forgiven and an endpoint that keeps failing is left alone for longer and longer.
// pushback is how long the far side asked to be left alone, if it did.
func (p *price) penalise(latency, pushback time.Duration, at enmesh.Instant) {
	floor := float64(max(latency, min(pushback, maxPushback), 1))
	for {
		w := p.word.Load()
		old, _ := unpack(w)
		ns := max(floor, float64(firstPenalty))
		if old != 0 {
			ns = max(floor, old, min(old*penalty, float64(maxPenalty)))
		}
		if p.word.CompareAndSwap(w, pack(ns, w, tickOf(at))|blamed) {
			return
		}
	}
}

// unpack takes a word apart.
func unpack(w uint64) (ns float64, tick uint32) {
	return float64(math.Float32frombits(uint32(w >> 32))), uint32(w)
}

// pack is the word after w, which time does not take back, without blame.
func pack(ns float64, w uint64, now uint32) uint64 {
	if tick := uint32(w); int32(now-tick) < 0 && w != 0 {
		now = tick
	}
	return uint64(math.Float32bits(float32(ns))&^1)<<32 | uint64(now)
}
