// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"slices"
	"sync"
	"time"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// StageTime is how long new clusters are told before calls are sent to them, unless
// [Staged] is told otherwise.
const StageTime = time.Second

// Staged is a catalog that changes routes in two steps where the change leads to clusters that
// the client does not have: first the routes as they were, with one more that no call takes
// and that names the new clusters; and when there was time to learn of these, the new routes.
//
// A client of grpc-go 1.85 begins to choose by new routes a moment before its balancer has
// their clusters, and a call of that moment fails as "unknown cluster selected for RPC", without
// a retry, even if it is to wait for ready. With the clusters there before, no call fails, and the
// first calls find connections. What is told first of a name is not staged, nor are routes
// after some that led nowhere.
//
// wait of 0 or less is StageTime.
func Staged(c xds.Catalog, wait time.Duration) xds.Catalog {
	if wait <= 0 {
		wait = StageTime
	}
	return &stage{Catalog: c, wait: wait, made: map[change]*xds.Resource{}}
}

// stage is what Staged makes.
type stage struct {
	xds.Catalog
	wait time.Duration

	mu   sync.Mutex // guards made
	made map[change]*xds.Resource
}

// change is one of routes, by their versions.
type change struct{ name, from, to string }

// maxStages bounds the stages that are kept for further clients.
const maxStages = 1024

// Watch implements [xds.Catalog].
func (s *stage) Watch(n *xds.Node, k xds.Kind, name string, f func(xds.Resource)) (stop func()) {
	if k != xds.Route {
		return s.Catalog.Watch(n, k, name, f)
	}
	w := &staged{stage: s, f: f}
	end := s.Catalog.Watch(n, k, name, w.take)
	return func() {
		end()
		w.stop()
	}
}

// staged is one watch of routes.
type staged struct {
	stage *stage
	f     func(xds.Resource)

	mu    sync.Mutex // guards what follows; f, which does not block, is called while it is held
	base  xds.Resource
	next  xds.Resource
	timer *time.Timer // to tell next; nil: base is what is told
	round uint64      // of the timer
	since time.Time   // when the timer was first set
	done  bool
}

// patience is how many times the wait may begin anew because there is something newer yet.
const patience = 5

// take hears of new routes.
func (w *staged) take(r xds.Resource) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return
	}
	between := w.stage.between(&w.base, &r)
	now := time.Now()
	if w.timer == nil {
		w.since = now
	} else {
		w.timer.Stop()
		w.timer = nil
	}
	if between == nil || now.Sub(w.since) > patience*w.stage.wait {
		w.base = r
		w.f(r)
		return
	}
	w.next = r
	w.round++
	round := w.round
	w.timer = time.AfterFunc(w.stage.wait, func() { w.finish(round) })
	w.f(*between)
}

// finish tells the new routes, unless there are newer ones.
func (w *staged) finish(round uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done || w.timer == nil || w.round != round {
		return
	}
	w.base, w.timer = w.next, nil
	w.f(w.base)
}

func (w *staged) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// between is the first step of a change; nil: it needs none.
func (s *stage) between(from, to *xds.Resource) *xds.Resource {
	if from.Body == nil || to.Body == nil || from.Version == to.Version {
		return nil
	}
	at := change{to.Name, from.Version, to.Version}
	s.mu.Lock()
	defer s.mu.Unlock()
	made, ok := s.made[at]
	if !ok {
		if len(s.made) >= maxStages {
			clear(s.made)
		}
		made = stageOf(from, to)
		s.made[at] = made
	}
	return made
}

// stageOf makes it.
func stageOf(from, to *xds.Resource) *xds.Resource {
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
