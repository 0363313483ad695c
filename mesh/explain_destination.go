// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
)

// destinations tells of each place that calls may go to.
func (x *inquiry) destinations(ctx context.Context) {
	if x.out.Result.Kind != ResultRoute {
		return
	}
	routes, targets := []*enmesh.Route{{Name: standard.Name, Destination: enmesh.Destination{Service: x.key}}}, []Target{{}}
	if x.taken != nil {
		routes, targets = x.taken.routes, x.taken.targets
	} else {
		targets[0].Destination = routes[0].Destination
	}
	var sum float64
	for _, t := range targets {
		sum += float64(t.Weight)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i, to := range targets {
		d := x.destination(ctx, routes[i], to)
		d.Weight, d.Share = max(to.Weight, 1), 1
		if len(targets) > 1 {
			d.Share = float64(to.Weight) / sum
		}
		x.out.Destinations = append(x.out.Destinations, d)
	}
	if len(targets) == 1 {
		x.out.Result = x.out.Destinations[0].Result
	}
}

// destination has the call take a route, as far as the pick.
func (x *inquiry) destination(ctx context.Context, r *enmesh.Route, to Target) ExplainedDestination {
	k := x.query.carrier()
	c := &k.Call
	k.Enter(enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return r }))
	out := ExplainedDestination{Destination: c.Destination.String(), Result: Result{Kind: ResultRoute}, Candidates: []Candidate{}}
	rule, match := x.rule()
	if dest := x.snapshot.Destination(c.Service); dest != nil {
		for _, s := range dest.Sources(c.Subset) {
			out.Sources = append(out.Sources, s.What+" "+s.Origin)
		}
	}
	if e := x.snapshot.Entry(c.Service); e != nil {
		out.Sources = append(out.Sources, e.Document+" "+e.Origin)
	}
	said := x.snapshot.Outbound(c.Service)
	for _, o := range said.Own() {
		out.Policies = append(out.Policies, o.String())
	}
	key := x.prepare(ctx, c, rule, match, to)
	out.Destination = c.Destination.String()
	if refusal := refusalOf(x.snapshot, rule, c.Destination); refusal != nil {
		out.Result = refusedBy(refusal)
		return out
	}
	out.Key = key
	x.candidates(ctx, c, &out)
	return out
}

// prepare does to the call what is done to it before a pick, and says what of it a
// consistent hash goes by.
func (x *inquiry) prepare(ctx context.Context, c *enmesh.Call, r *policy.Rule, m *route.Match, to Target) string {
	edits, key, err := x.mesh.policies.edits(x.snapshot, r, m, to)
	if err != nil {
		return err.Error()
	}
	if !x.crowded() || x.mesh.source.follows(c.Service) {
		edits = enmesh.Chain(edits, x.mesh.policies.port(x.snapshot, to.Destination))
	}
	var keys [2]uint64
	next := func(ctx context.Context, c *enmesh.Call) error {
		if key == nil {
			return nil
		}
		for i := range keys { // one that is drawn anew differs
			if err := key(nothing)(ctx, c); err != nil {
				return err
			}
			keys[i] = c.Key
		}
		return nil
	}
	if err := edits(next)(ctx, c); err != nil {
		return err.Error()
	}
	by := hashText(x.snapshot.Destination(c.Service).Traffic(c.Subset, c.Port).Hash)
	switch {
	case by == "":
		return ""
	case keys[0] != keys[1]:
		c.Key = 0
		return by + ": the call has none, and gets one that is drawn"
	case c.Key == 0:
		return by + ": the call has none, and goes anywhere"
	}
	return by
}

// hashText is what a consistent hash goes by.
func hashText(h policy.Hash) string {
	switch h.By {
	case policy.HashByHeader:
		return "header " + h.Name
	case policy.HashByQuery:
		return "query parameter " + h.Name
	case policy.HashByCookie:
		return "cookie " + h.Cookie.Name
	case policy.HashBySource:
		return "source address"
	case policy.HashByNothing:
	}
	return ""
}

// candidates tells of the cluster.
func (x *inquiry) candidates(ctx context.Context, c *enmesh.Call, out *ExplainedDestination) {
	cluster := x.cluster(c)
	if cluster == nil {
		x.note("the registry is not asked about " + c.Service + ": too many services are followed already")
		return
	}
	if cluster.Wait(ctx) != nil {
		x.note("no endpoints known of " + c.Service + ": the registry has not answered yet")
		return
	}
	said := cluster.Explain(c, x.mesh.policies.detectors.why(cluster.Config()))
	out.Algorithm = said.Picker
	for i := range said.Tiers {
		t := &said.Tiers[i]
		out.Tiers = append(out.Tiers, ExplainedTier{t.Load, t.Healthy, t.Total, t.Panic})
	}
	most := x.query.Candidates
	if most == 0 {
		most = DefaultCandidates
	}
	for i := range said.Candidates {
		if i >= most {
			out.Omitted = len(said.Candidates) - max(most, 0)
			break
		}
		out.Candidates = append(out.Candidates, candidateOf(&said.Candidates[i]))
	}
	if said.Refusal != nil {
		x.refused(c, said.Refusal, out)
	}
}

// refused tells what becomes of calls to a cluster without endpoints.
func (x *inquiry) refused(c *enmesh.Call, e *enmesh.Error, out *ExplainedDestination) {
	out.Result = refusedBy(e)
	x.missing(c, out)
	switch {
	case e != balance.ErrNoCluster || x.host != nil:
	case x.mesh.cfg.outboundMode == AllowAny:
		out.Result = Result{Kind: ResultPassthrough, Text: fmt.Sprintf("to %s, port %d, by DNS",
			x.mesh.source.registryName(c.Service), portOf(c))}
	default:
		out.Result = refusedBy(errUnknownHost)
	}
}

// missing says that there are no endpoints; where the registry names some, each says why it
// is not one.
func (x *inquiry) missing(c *enmesh.Call, out *ExplainedDestination) {
	switch {
	case len(out.Candidates) > 0 || out.Omitted > 0:
	case x.snapshot.Entry(c.Service) != nil:
		e := x.snapshot.Entry(c.Service)
		x.note("no endpoints known of " + c.Service + " at that port: " + e.Document + " (" + e.Origin + ") names none, or DNS has none")
	case x.mesh.cfg.resolver == nil:
		x.note("no endpoints known of " + c.Service + ": the mesh was opened without a registry")
	default:
		x.note("no endpoints known of " + c.Service)
	}
}

// cluster is the cluster of a call's destination. It is opened if there is none, unless
// there are very many: whoever asks, asks about whatever he likes.
func (x *inquiry) cluster(c *enmesh.Call) *balance.Cluster {
	d := c.Destination
	d.Service = x.mesh.naming.Key(d.Service)
	all := *x.mesh.source.clusters.Load()
	if have := all[clusterKey{d, c.Protocol}]; have != nil || x.crowded() {
		return have
	}
	return x.mesh.source.Cluster(d, c.Protocol)
}

// crowded reports whether nothing more is to be followed because of questions.
func (x *inquiry) crowded() bool { return len(*x.mesh.source.clusters.Load()) >= maxLearned }

func candidateOf(c *balance.Candidate) Candidate {
	return Candidate{
		Addr: c.Addr, Locality: localityText(c), Labels: c.Info.Labels, Tier: c.Tier, Weight: c.Weight, Effective: c.Effective,
		InFlight: c.InFlight, Latency: c.Latency, Connected: c.Connected, Health: c.Health, Score: c.Score,
		Share: c.Share, Eligible: c.Eligible, Why: c.Why,
	}
}

func localityText(c *balance.Candidate) string {
	l := c.Info.Locality
	return strings.TrimRight(l.Region+"/"+l.Zone+"/"+l.SubZone, "/")
}
