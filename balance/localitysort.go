// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"slices"

	"github.com/enmesh-go/enmesh/discovery"
)

// tier is the endpoints of one priority.
type tier struct {
	group
	rank  rank
	parts []part // the localities that are weighed; nil: none are
	panic Picker // over all, the bad ones too; nil until there was panic; guarded by levels.busy
}

// group is endpoints that are picked from together.
type group struct {
	listed []*Endpoint // those that the picker was built over: connected, if that matters
	all    []*Endpoint // those that the cluster has
	picker Picker      // over listed; nil where only parts are picked from
}

// part is the endpoints of one locality in a tier.
type part struct {
	group
	at     discovery.Locality
	of     int     // the target of distribute
	weight float64 // the share of the load when all is well; 0 for zones
}

// sort sorts a list into tiers, and the cluster's present set along with it.
func (s *sorter) sort(eps []*Endpoint) []tier {
	if len(eps) == 0 {
		return nil
	}
	all := present(eps)
	shelf := &shelf{sorter: s}
	for _, e := range all {
		if t, p := shelf.find(e); t != nil {
			t.all = append(t.all, e)
			if p != nil {
				p.all = append(p.all, e)
			}
		}
	}
	if sameList(all, eps) {
		shelf.listAll()
	} else {
		for _, e := range eps {
			if t, p := shelf.find(e); t != nil {
				t.listed = append(t.listed, e)
				if p != nil {
					p.listed = append(p.listed, e)
				}
			}
		}
	}
	slices.SortFunc(shelf.tiers, func(a, b tier) int { return a.rank.compare(b.rank) })
	if s.zones {
		shelf.keepOwnZones()
	} else {
		shelf.weigh()
	}
	return shelf.tiers
}

// present is what the cluster of a list has now. There is one, if the list is not empty.
func present(eps []*Endpoint) []*Endpoint {
	if set := eps[0].host.cluster.Set(); set != nil {
		return set.Endpoints
	}
	return eps
}

// sameList reports whether a and b are one slice.
func sameList(a, b []*Endpoint) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// shelf is tiers that are being filled, in any order.
type shelf struct {
	*sorter
	tiers []tier
	last  int // of tiers, found last
}

// find is where an endpoint belongs: nil, nowhere.
func (s *shelf) find(e *Endpoint) (*tier, *part) {
	info := e.host.info.Load()
	r := s.rank(info)
	at, of, ok := s.part(info, r)
	if !ok {
		return nil, nil
	}
	if s.last >= len(s.tiers) || s.tiers[s.last].rank != r {
		s.last = slices.IndexFunc(s.tiers, func(t tier) bool { return t.rank == r })
		if s.last < 0 {
			s.last = len(s.tiers)
			s.tiers = append(s.tiers, tier{rank: r})
		}
	}
	t := &s.tiers[s.last]
	if s.targets == nil && (!s.zones || r.place != 0) {
		return t, nil
	}
	i := slices.IndexFunc(t.parts, func(p part) bool { return p.at == at })
	if i < 0 {
		i = len(t.parts)
		t.parts = append(t.parts, part{at: at, of: of})
	}
	return t, &t.parts[i]
}

// listAll is for a list that is all there is.
func (s *shelf) listAll() {
	for i := range s.tiers {
		t := &s.tiers[i]
		t.listed = t.all
		for j := range t.parts {
			t.parts[j].listed = t.parts[j].all
		}
	}
}

// keepOwnZones makes the client's own zone the first part of the first tier. A tier that
// has no other zone, or not this one, and every later tier, has no parts; none has, as
// long as nobody counts the client's peers.
func (s *shelf) keepOwnZones() {
	own := func(p part) bool { return p.at.Zone == s.local.Zone }
	for i := range s.tiers {
		t := &s.tiers[i]
		at := slices.IndexFunc(t.parts, own)
		if s.peers == nil || i > 0 || at < 0 || len(t.parts) < 2 {
			t.parts = nil
			continue
		}
		t.parts[0], t.parts[at] = t.parts[at], t.parts[0]
	}
}

// weigh divides the percentages of distribute by the weights of the endpoints there.
func (s *shelf) weigh() {
	sums := make([]float64, len(s.targets))
	for i := range s.tiers {
		parts := s.tiers[i].parts
		clear(sums)
		for j := range parts {
			p := &parts[j]
			for _, e := range p.all {
				p.weight += float64(e.Weight())
			}
			sums[p.of] += p.weight
		}
		for j := range parts {
			p := &parts[j]
			p.weight *= float64(s.targets[p.of].percent) / sums[p.of]
		}
	}
}
