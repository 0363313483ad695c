// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// A Picker chooses among an immutable list of endpoints. It never blocks and never
// allocates, and may be used by any number of goroutines. It passes over endpoints
// that are not Ready at that moment, prefers those the call has not tried, and takes
// a tried one over none; a call that has tried one goes to those that the registry
// does not name any more (see [discovery.Endpoint], Unconfirmed) after all others. When nothing is ready it picks among the endpoints that are
// about to end ([Endpoint.Drain]), then among those that are only ejected (the panic
// that Envoy knows: a guess that may be wrong is better than a refusal that is
// certain). Otherwise it returns [ErrNoEndpoint].
type Picker interface {
	Pick(c *enmesh.Call) (*Endpoint, error) // c may be nil
}

// An Algorithm builds the Picker of a list of endpoints, which it keeps and does
// not write. Not all of them are connected, nor well: the Picker asks [Endpoint.Ready].
// Decorators take and return an Algorithm.
type Algorithm func(eps []*Endpoint) Picker

// ByName is the algorithm under Istio's name for it, and whether there is one:
//
//   - "ROUND_ROBIN": [WeightedRoundRobin]
//   - "LEAST_REQUEST", "LEAST_CONN", "UNSPECIFIED" and "": [LeastRequest] of 2,
//     Istio's default
//   - "RANDOM": [Random]
//   - "PASSTHROUGH": [Random]. There is no original address to pass through to
//     where the caller has no sidecar.
//   - "PEAK_EWMA": [PowerOfTwo], a name of our own
//   - "PICK_FIRST": as LEAST_REQUEST; it is for gRPC's clients over xDS, who stay with one
//     instance
func ByName(name string) (Algorithm, bool) {
	switch name {
	case "", "UNSPECIFIED", "LEAST_REQUEST", "LEAST_CONN", "PICK_FIRST":
		return LeastRequest(2), true
	case "ROUND_ROBIN":
		return WeightedRoundRobin(), true
	case "RANDOM", "PASSTHROUGH":
		return Random(), true
	case "PEAK_EWMA":
		return PowerOfTwo(), true
	}
	return nil, false
}

// usable reports whether e is the first choice: ready and, where the call has tried
// some, which retried says, neither one of these nor unconfirmed.
func usable(e *Endpoint, c *enmesh.Call, retried bool) bool {
	return e.Ready() && !(retried && (e.unconfirmed() || c.Tried(e.itself())))
}

func hasTried(c *enmesh.Call) bool { return c != nil && c.HasTried() }

// scan looks at every endpoint once, the one at start first: an untried ready one, else
// an untried one that is not confirmed, else a tried ready one, else one that is about to
// end, else one that is only ejected. Pickers come here when a few draws found nothing.
//
// It goes by steps, not along the list: bad endpoints often stand in a row, such as those
// of a zone, and the first good one after the row would get what is meant for all of it.
func scan(eps []*Endpoint, c *enmesh.Call, start int) (*Endpoint, error) {
	var doubtful, second, third *Endpoint
	resort := 0
	retried := hasTried(c)
	step := stride(len(eps))
	var clock reading
	for range eps {
		e := eps[start]
		if start += step; start >= len(eps) {
			start -= len(eps)
		}
		switch {
		case e.readyAt(&clock):
			switch {
			case !retried:
				return e, nil
			case c.Tried(e.itself()):
				second = first(second, e)
			case e.unconfirmed():
				doubtful = first(doubtful, e)
			default:
				return e, nil
			}
		case second == nil && resort < 2:
			if r := e.resort(&clock); r > resort {
				third, resort = e, r
			}
		}
	}
	if best := first(doubtful, first(second, third)); best != nil {
		return best, nil
	}
	return nil, ErrNoEndpoint
}

// first is a, or b where there is none.
func first(a, b *Endpoint) *Endpoint {
	if a != nil {
		return a
	}
	return b
}

// stride is a step that comes by all of n places, near the golden section of n, so that
// the places it has come by are spread evenly at any time (Knuth, "The Art of Computer
// Programming", vol. 3, 6.4, multiplicative hashing).
func stride(n int) int {
	step := max(1, int(float64(n)*0.6180339887))
	for gcd(uint32(step), uint32(n)) > 1 {
		step++
	}
	return step
}
