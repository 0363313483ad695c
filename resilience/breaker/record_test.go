// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"slices"
	"sync"

	"github.com/enmesh-go/enmesh"
)

// recorder remembers decisions.
type recorder struct {
	mu   sync.Mutex // guards seen
	seen []enmesh.Decision
}

func (r *recorder) Record(_ *enmesh.Call, d enmesh.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, d)
}

func (r *recorder) decisions() []enmesh.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}
