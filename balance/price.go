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
// sample within 32 units of the one before (lull) can raise the estimate, nothing else: it
// would say what 0.3% of the decay are worth, and a busy endpoint's word stays in the caches
// of all who read it. The time wraps after 52 days; an estimate older than 26 days may count as new. 0 is
// "nothing known".
type price struct{ word atomic.Uint64 }

const (
	tickBits = 20
	blamed   = 1 << 32
	lull     = 32 // ticks
)

func tickOf(at enmesh.Instant) uint32 { return uint32(at >> tickBits) }

// load is the estimate in nanoseconds, 0 when nothing is known, and its tick.
func (p *price) load() (ns float64, tick uint32) {
	return unpack(p.word.Load())
}

// fade is the weight that an estimate made at tick still has at now.
func fade(tick, now uint32) float64 { return 1 - faded(int32(now-tick), 1) }

// faded is the weight that an estimate has lost at an age in ticks, fading so many times
// as fast as usual: 1-exp(-x).
func faded(age int32, times float64) float64 {
	if age <= 0 {
		return 0
	}
	x := float64(age) * (times * (float64(1<<tickBits) / float64(decay)))
	if x < 1./32 { // the common case, at a third of the price of math.Expm1; exact to 4e-8
		square := x * x
		return (x - square/2) + square*x*(1./6)
	}
	return -math.Expm1(-x)
}

// observe learns from an answer. Of one that took surprisingly long, the time is left out
// that the process itself stood still; still may be nil.
func (p *price) observe(latency time.Duration, at enmesh.Instant, still *standstill) {
	if still != nil {
		still.touch()
	}
	sample, now := float64(max(latency, 1)), tickOf(at)
	for {
		w := p.word.Load()
		old, tick := unpack(w)
		age := int32(now - tick)
		if sample <= old && age < lull {
			return // which is usual under load
		}
		if sample > old*doubt && old != 0 && still != nil {
			sample = float64(max(latency-still.lost(at.Add(-latency), at), 1))
			still = nil // which has been asked
			continue
		}
		ns, blame := sample, uint64(0)
		if sample < old {
			times := 1.
			blame = w & blamed
			if blame == 0 && sample*doubt < old {
				times = haste
			}
			ns = old + (sample-old)*faded(age, times)
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
