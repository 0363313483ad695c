// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/enmesh-go/enmesh"
)

// Gate records what it admits and hears. The zero Gate admits everything.
type Gate struct {
	// Refuse, when set, is asked first; what it returns is what Admit refuses with.
	Refuse func(c *enmesh.Call) error

	mu      sync.Mutex // guards what follows
	next    uint64
	open    map[uint64]bool
	faults  []string
	admits  int
	results []enmesh.Result
}

// Admit notes the call and numbers its token.
func (g *Gate) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	if g.Refuse != nil {
		if err := g.Refuse(c); err != nil {
			return enmesh.Token{}, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[uint64]bool{}
	}
	g.next++
	g.admits++
	g.open[g.next] = true
	return enmesh.Token{N: g.next}, nil
}

// Done notes how the call of a token ended; a token that is not open is a fault.
func (g *Gate) Done(t enmesh.Token, r enmesh.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open[t.N] {
		g.faults = append(g.faults, fmt.Sprintf("token %d was given to Done twice, or never admitted", t.N))
	}
	delete(g.open, t.N)
	g.results = append(g.results, r)
}

// Open is how many calls were admitted and have not ended.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}

// Admits is how many calls were admitted.
func (g *Gate) Admits() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.admits
}

// Results are the endings heard so far, in order.
func (g *Gate) Results() []enmesh.Result {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]enmesh.Result(nil), g.results...)
}

// Outcomes are the outcomes of Results.
func (g *Gate) Outcomes() []enmesh.Outcome {
	var outcomes []enmesh.Outcome
	for _, r := range g.Results() {
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

// Settled returns an error unless every admitted call has ended exactly once.
func (g *Gate) Settled() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.faults) > 0 {
		return fmt.Errorf("enmeshtest: %s", g.faults[0])
	}
	if len(g.open) > 0 || len(g.results) != g.admits {
		return fmt.Errorf("enmeshtest: %d admits, %d ends, %d still open", g.admits, len(g.results), len(g.open))
	}
	return nil
}
