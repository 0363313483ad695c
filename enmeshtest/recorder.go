// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"slices"
	"sync"

	"github.com/enmesh-go/enmesh"
)

// Recorder is an [enmesh.Recorder] that remembers what it was told. The zero Recorder is
// ready for use. It is safe for concurrent use.
type Recorder struct {
	mu   sync.Mutex // guards seen
	seen []enmesh.Decision
}

// Record implements [enmesh.Recorder].
func (r *Recorder) Record(_ *enmesh.Call, d enmesh.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, d)
}

// Decisions is what was told so far, in order.
func (r *Recorder) Decisions() []enmesh.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}
