// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh/discovery"

// Tier is what a picker knows of one tier, for people to read.
type Tier struct {
	Load    float64 // its share of first attempts, 0 to 1
	Healthy int     // endpoints that are, and are connected, or awaited
	Total   int     // endpoints that count: the cluster has them, they do not drain, views of them were connected, or are awaited
	Panic   bool    // health is left aside
	// Parts are the localities that are weighed; none where the tier is one whole.
	Parts []TierPart
	// Endpoints are those that may be picked, whatever their state is now. The slice is
	// not written.
	Endpoints []*Endpoint
}

// TierPart is one locality of a Tier.
type TierPart struct {
	Locality discovery.Locality // without a sub-zone where zones are weighed
	Load     float64            // its share of first attempts, 0 to 1
}

// TiersOf is the tiers of a picker that [Locality] built or that has a panic threshold,
// the most preferred first, as of the present health; [Cluster.Picker] is asked for the
// one it has. nil: the picker knows no tiers.
func TiersOf(p Picker) []Tier {
	if live, ok := p.(*livePicker); ok {
		s := live.current.Load()
		if s == nil || len(s.Endpoints) == 0 {
			return nil
		}
		p = s.built()
	}
	l, ok := p.(*levels)
	if !ok {
		return nil
	}
	s := l.current(nil)
	tiers := make([]Tier, len(l.tiers))
	for i := range l.tiers {
		sum := &s.sums[i]
		tiers[i] = Tier{Healthy: sum.healthy, Total: sum.total, Panic: s.panics[i], Endpoints: l.tiers[i].listed}
	}
	before := uint64(0)
	for i, sl := range s.slots {
		t, load := &tiers[sl.tier], float64(s.draws[0].ends[i]-before)/(1<<32)
		before = s.draws[0].ends[i]
		t.Load += load
		if sl.part >= 0 {
			t.Parts = append(t.Parts, TierPart{l.tiers[sl.tier].parts[sl.part].at, load})
		}
	}
	return tiers
}
