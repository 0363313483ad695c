// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// PowerOfTwo draws two endpoints at random and takes the cheaper one (Mitzenmacher,
// "The power of two choices in randomized load balancing", 2001). The cost is the
// peak-EWMA of latency, as in Finagle and Linkerd, times the calls in flight plus
// one:
//
//   - A sample above the estimate replaces it at once; one below is blended in over
//     10 s, or over 0.6 s while it is below a third of an estimate that no failure made:
//     a single pause on the client's side is soon forgotten. (Finagle blends over 10 s
//     always.) Only answers teach; the time counts to the answer's head, without what the
//     process itself stood still.
//   - A failure multiplies the estimate by 4, up to 5 s; the far side's pushback
//     (Retry-After, at most 300 s) raises it to that. So quick failures draw no traffic.
//   - Time forgives: unseen, the dearer estimate of the two fades over 10 s, down to
//     the cheaper one and not below it, so that an endpoint which has idled is not
//     flooded when traffic returns. (Finagle lets it fade to nothing.)
//   - An endpoint nobody has heard from is priced like the one it is compared with:
//     it gets its fair share until its calls pend.
//   - As many calls in flight at both, the cheaper one is taken with a chance of one half
//     plus the difference of the estimates over their sum, which is certainty from
//     three times dearer on. Peaks of endpoints that are alike differ by less, and would
//     otherwise send whole seconds of light traffic past one of them.
//   - Where weights differ, draws are by weight and weights divide the calls in flight.
func PowerOfTwo() Algorithm { return powerOfTwoFrom(nil) }

func powerOfTwoFrom(random source) Algorithm {
	return func(eps []*Endpoint) Picker { return &powerOfTwo{newUrn(eps, random)} }
}

type powerOfTwo struct{ urn }

func (p *powerOfTwo) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.eps) < 2 {
		return scan(p.eps, c, 0)
	}
	retried := hasTried(c)
	for range redraws {
		i, j, spare := p.two()
		a, b := p.eps[i], p.eps[j]
		switch useA, useB := usable(a, c, retried), usable(b, c, retried); {
		case useA && useB:
			if p.cheaper(i, j, spare, c) {
				return a, nil
			}
			return b, nil
		case useA:
			return a, nil
		case useB:
			return b, nil
		}
	}
	return scan(p.eps, c, p.start())
}

// cheaper reports whether endpoint i costs no more than j.
func (p *powerOfTwo) cheaper(i, j int, spare uint32, c *enmesh.Call) bool {
	a, tickA := p.eps[i].host.price.load()
	b, tickB := p.eps[j].host.price.load()
	switch {
	case a == 0 || b == 0:
		a, b = 1, 1
	case a < b:
		b = max(a, b*fade(tickB, clock(c)))
	case b < a:
		a = max(b, a*fade(tickA, clock(c)))
	}
	flightA, flightB := p.pending(i), p.pending(j)
	if flightA == flightB {
		return toss(a, b, spare)
	}
	return a*(flightA+1) <= b*(flightB+1)
}

// toss decides between two that differ by their estimates alone, a being the first's.
func toss(a, b float64, random uint32) bool {
	switch lead, all := b-a, a+b; {
	case lead > all/2:
		return true
	case lead < -all/2:
		return false
	default:
		return float64(random)*all < (lead+all/2)*(1<<32)
	}
}

// clock is the call's reading: near enough for a decay of seconds.
func clock(c *enmesh.Call) uint32 {
	if c != nil && c.Clock != 0 {
		return tickOf(c.Clock)
	}
	return tickOf(enmesh.Now())
}
