// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"math/rand/v2"
	"time"

	"github.com/enmesh-go/enmesh"
)

// wait is the time before the n-th retry, n from 1. The far side's wish goes before
// the policy's own backoff; it is cut at ten times MaxBackoff, and spread by up to
// one BaseBackoff so that callers told the same do not return together.
func (r *retrier) wait(n int, e *enmesh.Error) time.Duration {
	if e.RetryAfter > 0 {
		return min(e.RetryAfter, backoffSpan*r.MaxBackoff) + rand.N(r.BaseBackoff)
	}
	return rand.N(r.ceiling(n))
}

// ceiling is where the full-jitter exponential backoff of the n-th retry ends:
// (2^n-1)*BaseBackoff, at most MaxBackoff, as Envoy's router filter has it.
func (r *retrier) ceiling(n int) time.Duration {
	span := r.BaseBackoff
	for i := 1; i < n && span < r.MaxBackoff; i++ {
		span = 2*span + r.BaseBackoff
	}
	return min(span, r.MaxBackoff)
}
