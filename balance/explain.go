// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// Explanation is how a [Cluster] would choose an endpoint for a call now, for people to
// read. It is made by the pickers that calls are picked by.
type Explanation struct {
	// Known is whether the registry has answered.
	Known bool
	// Refusal is why calls fail while there are no endpoints; nil where there are.
	Refusal *enmesh.Error
	// Picker is the algorithm, "least request of 2"; "" while nothing is known.
	Picker string
	// Tiers are what [TiersOf] says; one tier where there are none.
	Tiers []Tier
	// Candidates are all endpoints that the registry names: those that may be picked
	// first, then by tier and address.
	Candidates []Candidate
}

// Candidate is one endpoint in an [Explanation].
type Candidate struct {
	Addr     string
	Endpoint *Endpoint          // nil: the registry names it, and the cluster has no use for it
	Info     discovery.Endpoint // shared and not written
	Tier     int                // of Explanation.Tiers; -1: of none
	Panic    bool               // health is left aside in its tier

	Weight uint32
	// Effective is Weight, times the part that a slow start leaves of it, times its
	// locality's part of its tier.
	Effective float64
	SlowStart float64       // the part of its share that a new endpoint has, 0 to 1; 1 for others
	InFlight  int64         // calls
	Latency   time.Duration // as [Endpoint.Latency]
	Connected int           // connections that are ready, of gRPC clients; -1: not known
	Score     string        // what the algorithm goes by, "in flight 3"
	// Share is the part of such calls that it would get, 0 to 1; -1 where that depends on
	// what the calls before it do.
	Share float64

	Health   string // "healthy", or what speaks against it
	Eligible bool   // this call may be sent to it
	Why      string // why not, in one phrase; of an eligible one what is unusual; else ""

	view     *Endpoint // what the picker has
	relative float64   // share before it is divided by the sum; below 0: not known
	load     float64   // of what it is picked from
	slot     int       // what it is picked from; below 0: nothing
}

// Explain says how the cluster would choose for a call that has made no attempt yet. It
// neither picks nor counts anything. ejection, which may be nil, is asked why an endpoint
// was ejected: [outlier] knows. In a gRPC client, endpoints are chosen from those that are
// connected; before the first is, the answer is how it will be when all are.
//
// [outlier]: https://pkg.go.dev/github.com/enmesh-go/enmesh/balance/outlier
func (c *Cluster) Explain(call *enmesh.Call, ejection func(*Endpoint) string) Explanation {
	s := c.current.Load()
	if s == nil {
		return Explanation{}
	}
	x := &account{call: call, now: enmesh.Now(), ejection: ejection, of: make(map[*host]*Candidate, len(s.Endpoints))}
	out := Explanation{Known: true}
	if len(s.Endpoints) == 0 {
		out.Refusal = s.Refusal
		out.Candidates = c.leftOut(s)
		return out
	}
	all := make([]Candidate, len(s.Endpoints))
	views := c.listed(s)
	grpc := views != nil
	for i, e := range s.Endpoints {
		all[i] = x.open(e, grpc)
		x.of[e.host] = &all[i]
	}
	picker := s.Algorithm
	if views == nil {
		views, picker = s.Endpoints, func([]*Endpoint) Picker { return s.built() }
	}
	out.Tiers = x.explain(picker(views), s, views)
	for i := range all {
		x.close(&all[i], out.Tiers)
	}
	if len(x.chosen) == 1 {
		x.chosen[0].Share = 1
	}
	out.Picker = strings.Join(x.names, ", ")
	out.Candidates = slices.Concat(all, c.leftOut(s))
	slices.SortStableFunc(out.Candidates, compareCandidates)
	return out
}

func compareCandidates(a, b Candidate) int {
	if a.Eligible != b.Eligible {
		if a.Eligible {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(uint(a.Tier), uint(b.Tier)), cmp.Compare(a.Addr, b.Addr)) // no tier is last
}

// listed is views of the endpoints that gRPC clients are connected to; nil: all endpoints
// of the set are picked from.
func (c *Cluster) listed(s *state) []*Endpoint {
	if c.Config().Protocol != enmesh.GRPC {
		return nil
	}
	var views []*Endpoint
	met := false
	for _, e := range s.Endpoints {
		met = met || e.host.met.Load()
		if e.host.views.Load() > 0 {
			v := &Endpoint{host: e.host}
			v.ready.Store(true)
			views = append(views, v)
		}
	}
	if met && views == nil {
		return []*Endpoint{} // all are lost
	}
	return views
}

// leftOut is what the registry names and the cluster has no use for.
func (c *Cluster) leftOut(s *state) []Candidate {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Candidate
	for i := range c.told {
		if i < len(c.hosts) && c.hosts[i] != nil {
			continue
		}
		ep := &c.told[i]
		out = append(out, Candidate{
			Addr: addrOf(ep), Info: *ep, Tier: -1, Weight: ep.EffectiveWeight(), SlowStart: 1, Connected: -1,
			Health: "not asked for", Why: c.whyLeftOut(ep, len(s.Endpoints)),
		})
	}
	return out
}

func addrOf(ep *discovery.Endpoint) string {
	if len(ep.Addrs) == 0 {
		return ""
	}
	return ep.Addrs[0]
}
