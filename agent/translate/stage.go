// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"slices"
	"time"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// StageTime is a good Config.Stage: by then a client has heard of new clusters and begun to
// connect.
const StageTime = time.Second

// stage is routes on their way from what clients have to what they are to have, where these lead
// to clusters that those did not: first the routes as they were are told, with one more that no
// call takes and that names the new clusters; and when there was time to learn of these, the new
// routes.
//
// A client of grpc-go 1.85 begins to choose by new routes a moment before its balancer has
// their clusters, and a call of that moment fails as "unknown cluster selected for RPC", without
// a retry, even if it is to wait for ready. With the clusters there before, no call fails, and the
// first calls find connections. What is told first of a name is not staged, nor are routes
// after some that led nowhere.
type stage struct {
	base  *xds.Resource // what was told before
	next  *xds.Resource // what is to be told
	since time.Time     // when calls were first to go elsewhere than base says
	timer *time.Timer
}

// patience is how many times the wait may begin anew because there is something newer yet.
const patience = 5

// tell has the watchers of e hear r, at once or in two steps. c.mu is held.
func (c *Catalog) tell(e *entry, r *xds.Resource) {
	base, now := e.now, time.Now()
	since := now
	if e.stage != nil {
		base, since = e.stage.base, e.stage.since
		e.unstage()
	}
	if between := c.between(base, r); between != nil && now.Sub(since) <= patience*c.cfg.Stage {
		s := &stage{base: base, next: r, since: since}
		s.timer = time.AfterFunc(c.cfg.Stage, func() { c.finish(e, s) })
		e.stage, r = s, between
	}
	c.put(e, r)
}

// put has the watchers of e hear r. c.mu is held.
func (c *Catalog) put(e *entry, r *xds.Resource) {
	e.now = r
	for _, w := range e.watchers {
		c.outbox.letters = append(c.outbox.letters, letter{w.ear, r})
	}
}

// finish tells what s was on the way to, unless there is something newer.
func (c *Catalog) finish(e *entry, s *stage) {
	defer c.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.stage == s && !c.closed {
		e.stage = nil
		c.put(e, s.next)
	}
}

// unstage gives up what e is on the way to. c.mu is held.
func (e *entry) unstage() {
	if e.stage != nil {
		e.stage.timer.Stop()
		e.stage = nil
	}
}

// last is what e was made last, told or about to be.
func (e *entry) last() *xds.Resource {
	if e.stage != nil {
		return e.stage.next
	}
	return e.now
}

// base is what e told before the change that it is in, if it is in one.
func (e *entry) base() *xds.Resource {
	if e.stage != nil {
		return e.stage.base
	}
	return e.now
}

// between is the first step of a change; nil: it needs none.
func (c *Catalog) between(from, to *xds.Resource) *xds.Resource {
	if c.cfg.Stage <= 0 || to.Kind != xds.Route || from == nil || from.Body == nil || to.Body == nil || from.Version == to.Version {
		return nil
	}
	var old, fresh routepb.RouteConfiguration
	if from.Body.UnmarshalTo(&old) != nil || to.Body.UnmarshalTo(&fresh) != nil || len(old.GetVirtualHosts()) == 0 {
		return nil
	}
	has, wants := clustersOf(&old), clustersOf(&fresh)
	maps.DeleteFunc(wants, func(name string, _ bool) bool { return has[name] })
	if len(has) == 0 || len(wants) == 0 {
		return nil
	}
	host := old.GetVirtualHosts()[0]
	host.Routes = append(host.Routes, announce(slices.Sorted(maps.Keys(wants))))
	made := encode(to.Kind, to.Name, &old)
	return &made
}

// announced is a method that nobody has.
const announced = "/enmesh.agent.Announced/Never"

// announce is a route that no call takes, to clusters that calls will be sent to.
func announce(clusters []string) *routepb.Route {
	shares := make([]*routepb.WeightedCluster_ClusterWeight, len(clusters))
	for i, name := range clusters {
		shares[i] = &routepb.WeightedCluster_ClusterWeight{Name: name, Weight: wrapperspb.UInt32(1)}
	}
	return &routepb.Route{
		Name:  "announced",
		Match: &routepb.RouteMatch{PathSpecifier: &routepb.RouteMatch_Path{Path: announced}},
		Action: &routepb.Route_Route{Route: &routepb.RouteAction{
			ClusterSpecifier: &routepb.RouteAction_WeightedClusters{WeightedClusters: &routepb.WeightedCluster{Clusters: shares}},
		}},
	}
}

// clustersOf are the clusters that routes lead to.
func clustersOf(r *routepb.RouteConfiguration) map[string]bool {
	out := map[string]bool{}
	for _, host := range r.GetVirtualHosts() {
		for _, one := range host.GetRoutes() {
			action := one.GetRoute()
			if name := action.GetCluster(); name != "" {
				out[name] = true
			}
			for _, share := range action.GetWeightedClusters().GetClusters() {
				out[share.GetName()] = true
			}
		}
	}
	return out
}
