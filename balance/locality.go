// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// The labels that Istio lets stand for a locality's parts.
const (
	regionLabel  = "topology.kubernetes.io/region"
	zoneLabel    = "topology.kubernetes.io/zone"
	subZoneLabel = "topology.istio.io/subzone"
)

// Locality sorts endpoints into tiers, the most preferred first, gives each tier its load
// by its health, and lets inner choose within a tier. nil is LeastRequest(2).
//
// The tiers are those of the registry ([discovery.Endpoint], Priority); within these,
// those of FailoverPriority; and within these, unless FailoverPriority is given alone,
// those of locality: the client's own sub-zone, zone, region, then the region that
// Failover names (or all others, when it names none), then the rest. Tiers without
// endpoints are left out.
//
// Load goes to tiers as in Envoy ("Priority levels"): a tier's health is 1.4 times the
// healthy part of its endpoints, at most all; the first takes as much of the load as
// it has health, the next as much of the rest, and so on; where all together have less
// than the load, each takes in proportion. So nothing leaves a tier until 28% of it is
// bad, at 50% it keeps 70%, and at 100% all goes on. An endpoint is healthy as
// [Endpoint.Healthy] says, and in a list of views when it is connected, besides, or awaited
// ([Endpoint.Await]): while nothing in its tier is connected yet, a call waits for that one
// rather than go further. The
// cluster's present set says how many there are, so whatever leaves endpoints out
// belongs inside; those that drain do not count, nor among views those that were never
// connected. Endpoints are counted, not weighed.
// [TiersOf] tells all this of a picker.
//
// Health is summed up again by one pick after it has changed, or after the soonest
// ejection has ended, while other picks go by the sums before. A call with a Key goes to
// the same tier as long as the shares are the same.
//
// Whatever the shares say, a pick that finds nothing usable in its tier looks at the
// others: an endpoint that is ready and untried wherever it stands is taken before one
// that was tried, and that before one that drains or is ejected. When all are ejected,
// each tier gets calls by how many endpoints it has.
//
// Distribute and ZoneAware weigh the localities within a tier: by weight times health for
// the one (Envoy, "Locality weighted load balancing"), by the numbers of endpoints and of
// clients for the other.
func Locality(cfg LocalityConfig, inner Algorithm) Algorithm {
	return localityFrom(cfg, inner, nil)
}

func localityFrom(cfg LocalityConfig, inner Algorithm, random source) Algorithm {
	if inner == nil {
		inner = LeastRequest(2)
	}
	s := newSorter(cfg)
	return func(eps []*Endpoint) Picker {
		tiers := s.sort(eps)
		if len(tiers) == 0 {
			return inner(nil)
		}
		if len(tiers) == 1 && len(tiers[0].parts) == 0 && len(tiers[0].listed) == len(eps) {
			return inner(eps)
		}
		l := &levels{
			cluster: eps[0].Cluster(), tiers: tiers, inner: inner, random: sourceOf(eps, random), peers: s.peers,
			remoteAfter: max(cfg.RemoteAfter, 0), minimum: cfg.ZoneAware.minimum(),
		}
		l.build()
		return l
	}
}

// sorter knows the tier and part of an endpoint.
type sorter struct {
	local    discovery.Locality
	labels   []wanted // of failoverPriority
	places   bool     // tiers by locality
	failover string   // the region to go to; "" is any
	targets  []target // of distribute, the most specific first; nil: none
	zones    bool     // tiers by region, parts by zone
	peers    *Peers   // for zones; nil: unknown
}

// wanted is a label that an endpoint should have.
type wanted struct{ key, value string }

// target is one share of distribute.
type target struct {
	place
	percent uint32
}

func newSorter(cfg LocalityConfig) *sorter {
	s := &sorter{local: cfg.Local}
	known := cfg.Local != discovery.Locality{}
	if cfg.Disabled {
		return s
	}
	if len(cfg.Distribute) > 0 {
		s.distribute(cfg.Distribute)
		return s
	}
	if s.zones = cfg.ZoneAware.Enabled && known; s.zones {
		s.peers = cfg.ZoneAware.Peers
	}
	if cfg.OutlierDetection || s.zones {
		s.failOver(cfg, known)
	}
	return s
}

func (s *sorter) distribute(entries []Distribute) {
	for _, d := range entries {
		from, err := parsePlace(d.From)
		if err != nil || !from.matches(s.local) {
			continue
		}
		s.targets = []target{}
		for _, to := range d.To {
			if p, err := parsePlace(to.Locality); err == nil {
				s.targets = append(s.targets, target{p, to.Percent})
			}
		}
		slices.SortStableFunc(s.targets, func(a, b target) int { return b.named() - a.named() })
		return
	}
}

func (s *sorter) failOver(cfg LocalityConfig, known bool) {
	own := discovery.Endpoint{Locality: cfg.Local, Labels: cfg.Labels}
	for _, label := range cfg.FailoverPriority {
		key, value, given := strings.Cut(label, "=")
		if !given {
			value = placeLabel(&own, key)
		}
		s.labels = append(s.labels, wanted{key, value})
	}
	s.places = known && (s.zones || len(s.labels) == 0 || len(cfg.Failover) > 0)
	for _, f := range cfg.Failover {
		if f.From == cfg.Local.Region {
			s.failover = f.To
			return
		}
	}
}

// placeLabel is a label, or the part of the locality that it stands for.
func placeLabel(info *discovery.Endpoint, key string) string {
	value := labelOf(info, key)
	if value != "" {
		return value
	}
	switch key {
	case regionLabel:
		return info.Locality.Region
	case zoneLabel:
		return info.Locality.Zone
	case subZoneLabel:
		return info.Locality.SubZone
	}
	return ""
}

// rank orders tiers: what the registry says, then labels, then the locality.
type rank struct {
	registry      uint32
	labels, place int
}

func (a rank) compare(b rank) int {
	switch {
	case a.registry != b.registry:
		if a.registry < b.registry {
			return -1
		}
		return 1
	case a.labels != b.labels:
		return a.labels - b.labels
	}
	return a.place - b.place
}

func (s *sorter) rank(info *discovery.Endpoint) rank {
	r := rank{registry: info.Priority}
	for i, w := range s.labels {
		if placeLabel(info, w.key) != w.value {
			r.labels = len(s.labels) - i
			break
		}
	}
	if s.places {
		r.place = s.distance(info.Locality)
	}
	return r
}

// distance is 0 to 4, from the own sub-zone to a region that failover does not name. Zone
// awareness makes one tier of the own region.
func (s *sorter) distance(l discovery.Locality) int {
	switch {
	case l.Region != s.local.Region:
		if s.failover != "" && l.Region != s.failover {
			return 4
		}
		return 3
	case s.zones:
		return 0
	case l.Zone != s.local.Zone:
		return 2
	case l.SubZone != s.local.SubZone:
		return 1
	}
	return 0
}

// part is the locality that an endpoint is weighed in, and which target of distribute it
// is of; ok is false for one that distribute gives nothing.
func (s *sorter) part(info *discovery.Endpoint, r rank) (at discovery.Locality, of int, ok bool) {
	if s.zones && r.place == 0 {
		return discovery.Locality{Region: info.Locality.Region, Zone: info.Locality.Zone}, 0, true
	}
	for i, t := range s.targets {
		if t.matches(info.Locality) {
			return info.Locality, i, true
		}
	}
	return discovery.Locality{}, 0, s.targets == nil
}
