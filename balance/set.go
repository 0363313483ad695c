// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"sync"

	"github.com/enmesh-go/enmesh"
)

// Set is one published state of a [Cluster]. It is never written again.
type Set struct {
	// Endpoints are all that the registry has for the destination, in its order,
	// draining ones included: they keep their connections until they leave.
	Endpoints []*Endpoint
	// Added and Removed are the difference to the set before, so that consumers do
	// work in proportion to what changed. In the first set that a subscriber hears
	// of, Added is all and Removed is nil.
	Added, Removed []*Endpoint
	// Algorithm builds the picker over the endpoints, or over views of them, whether they
	// are connected or not: again when that changes.
	Algorithm Algorithm
	// Connection says how the endpoints are connected to.
	Connection ConnectionConfig
	// Refusal is why calls fail while Endpoints is empty; never nil then.
	Refusal *enmesh.Error
	// Version counts the sets of a cluster, from 1.
	Version uint64
}

// full is the set as a subscriber who comes late hears of it.
func (s *Set) full() *Set {
	first := *s
	first.Added, first.Removed = s.Endpoints, nil
	return &first
}

// state is a set and the picker over all of it, built on first use: a cluster whose
// adapter builds pickers of its own never pays for this one.
type state struct {
	Set
	once   sync.Once
	picker Picker
}

func (s *state) pick(c *enmesh.Call) (*Endpoint, error) {
	if len(s.Endpoints) == 0 {
		return nil, s.Refusal
	}
	return s.built().Pick(c)
}

func (s *state) built() Picker {
	s.once.Do(func() { s.picker = s.Algorithm(s.Endpoints) })
	return s.picker
}
