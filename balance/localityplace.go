// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"slices"

	"github.com/enmesh-go/enmesh/discovery"
)

// Place is where [LocalityConfig.Places] puts an endpoint.
type Place struct {
	// Tier is 0 for those that are preferred to all others, and so on without gaps; -1: the
	// endpoint gets no calls, since Distribute gives its locality nothing.
	Tier int
	// Share is the percentage of Distribute that the endpoint's locality and all others with
	// the same Target divide; 0 where there is no Distribute.
	Share uint32
	// Target numbers the shares; 0 where there is no Distribute.
	Target int
}

// Places sorts endpoints into the tiers that [Locality] would, for those who hand the
// choice to somebody else: place i is that of endpoint i. Zone awareness, which goes by
// calls in flight, is left to the caller: its tiers are those of the regions.
func (cfg LocalityConfig) Places(eps []discovery.Endpoint) []Place {
	s := newSorter(cfg)
	places, ranks := make([]Place, len(eps)), make([]rank, len(eps))
	var order []rank
	for i := range eps {
		r := s.rank(&eps[i])
		_, of, ok := s.part(&eps[i], r)
		if !ok {
			places[i].Tier = -1
			continue
		}
		ranks[i] = r
		if at, found := slices.BinarySearchFunc(order, r, rank.compare); !found {
			order = slices.Insert(order, at, r)
		}
		if s.targets != nil {
			places[i].Share, places[i].Target = s.targets[of].percent, of
		}
	}
	for i := range places {
		if places[i].Tier == 0 {
			places[i].Tier, _ = slices.BinarySearchFunc(order, ranks[i], rank.compare)
		}
	}
	return places
}
