// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"maps"
	"sync/atomic"

	"github.com/enmesh-go/enmesh/discovery"
)

// ZoneAware prefers the client's own zone as Envoy's zone aware routing does: as much
// load as the zone's share of the destination's endpoints can bear, given the zone's
// share of the client's own service, so that each endpoint still gets about the same.
// Where the destination has at least the share that the clients have, all load stays;
// otherwise the rest goes to the zones that have more endpoints than clients, by how
// many more.
//
// The client's own region is the first tier, the region that Failover names the next,
// all others the last. Within the first, zones are weighed while these hold, and the
// algorithm goes over the whole region otherwise: there are MinClusterSize healthy
// endpoints, in more than one zone, at least one in the client's, and Peers knows where
// the clients stand.
type ZoneAware struct {
	Enabled bool
	// MinClusterSize is how many healthy endpoints the region must have; 0 is 6.
	MinClusterSize uint32
	// Peers knows the instances of the client's own service; nil knows none.
	Peers *Peers
}

func (z ZoneAware) minimum() int {
	if z.MinClusterSize == 0 {
		return 6
	}
	return int(z.MinClusterSize)
}

// Peers counts the instances of the client's own service, itself included, by zone. The
// zero value knows none. It may be used by any number of goroutines, and is told by
// whoever watches that service.
type Peers struct{ census atomic.Pointer[census] }

// census is the number of instances in each zone. It is never written.
type census map[zone]int

type zone struct{ region, name string }

func zoneOf(l discovery.Locality) zone { return zone{l.Region, l.Zone} }

// Apply takes the full list as discovery knows it. Endpoints that drain do not count.
func (p *Peers) Apply(eps []discovery.Endpoint) {
	counted := census{}
	for i := range eps {
		if !eps[i].Draining {
			counted[zoneOf(eps[i].Locality)]++
		}
	}
	if before := p.census.Load(); before == nil || !maps.Equal(*before, counted) {
		p.census.Store(&counted)
	}
}

// load is the present census; nil: not known.
func (p *Peers) load() *census {
	if p == nil {
		return nil
	}
	return p.census.Load()
}

// of gives the shares of the zones of own's region.
func (c *census) of(own zone, zones []zone) (shares []float64, known bool) {
	if c == nil || (*c)[own] == 0 {
		return nil, false
	}
	sum := 0
	for z, n := range *c {
		if z.region == own.region {
			sum += n
		}
	}
	shares = make([]float64, len(zones))
	for i, z := range zones {
		shares[i] = float64((*c)[z]) / float64(sum)
	}
	return shares, true
}

// zoneShares divides the load of a region: clients and healthy are the zones' parts of
// the clients and of the healthy endpoints, each summing up to 1 at most; the first zone
// is the client's own.
func zoneShares(clients, healthy []float64) []float64 {
	shares := make([]float64, len(healthy))
	if healthy[0] >= clients[0] {
		shares[0] = 1
		return shares
	}
	shares[0] = healthy[0] / clients[0]
	var residual float64
	for i := range healthy[1:] {
		shares[i+1] = max(0, healthy[i+1]-clients[i+1])
		residual += shares[i+1]
	}
	for i := range shares[1:] {
		shares[i+1] *= (1 - shares[0]) / residual
	}
	return shares
}
