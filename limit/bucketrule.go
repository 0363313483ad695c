// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"math"

	"github.com/enmesh-go/enmesh"
)

// bucketRule is the token bucket of one key. Its state is the time of the last change and
// the tokens there were then, as the bits of a float64; no time is a full bucket.
type bucketRule struct {
	rate, burst float64
}

// slack is the part of a token that counts as the whole: sums of fractions end beside it.
const slack = 1e-6

func (r *bucketRule) take(s *state, t enmesh.Instant, n int, look bool) verdict {
	at := max(t, enmesh.Instant(s.a))
	tokens := r.tokens(s, at)
	if float64(n) > tokens+slack {
		v := verdict{wait: never, left: int(tokens)}
		if float64(n) <= r.burst {
			v.wait = span(float64(n)-tokens, r.rate)
		}
		return v
	}
	tokens = max(0, tokens-float64(n))
	s.a, s.b = int64(at), int64(math.Float64bits(tokens))
	if !look {
		return verdict{ok: true}
	}
	return verdict{ok: true, left: int(tokens + slack), reset: span(r.burst-tokens, r.rate)}
}

// tokens is how many there are at t, which is not before the last change.
func (r *bucketRule) tokens(s *state, t enmesh.Instant) float64 {
	if s.a == 0 {
		return r.burst
	}
	return min(r.burst, math.Float64frombits(uint64(s.b))+t.Sub(enmesh.Instant(s.a)).Seconds()*r.rate)
}

func (r *bucketRule) fresh(s *state, t enmesh.Instant) bool {
	return r.tokens(s, max(t, enmesh.Instant(s.a))) >= r.burst
}
