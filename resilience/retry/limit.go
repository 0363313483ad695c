// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"fmt"
	"sync/atomic"
)

// Limit bounds how many retries are under way at once, of all calls that share it: each
// from when it is decided on, its backoff included, until the head of its answer is there
// or it has failed. One more is not made, and its caller gets what the attempt before was
// answered. It is Envoy's max_retries and Istio's maxRetries.
type Limit struct {
	most int64
	now  atomic.Int64
}

// NewLimit makes a Limit of n retries. Less than 1 is refused: who wants none makes none.
func NewLimit(n int) (*Limit, error) {
	if n < 1 {
		return nil, fmt.Errorf("retry: a limit of %d is less than 1", n)
	}
	return &Limit{most: int64(n)}, nil
}

// enter begins a retry, or reports false when there are too many. A nil Limit has room.
func (l *Limit) enter() bool {
	if l == nil {
		return true
	}
	if l.now.Add(1) <= l.most {
		return true
	}
	l.now.Add(-1)
	return false
}

// leave ends one.
func (l *Limit) leave() {
	if l != nil {
		l.now.Add(-1)
	}
}
