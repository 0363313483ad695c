// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"math"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
)

// dialled is what a client dials: the name of a listener, taken apart.
type dialled struct {
	name    string // "reviews:9080": the authority of its calls
	service string // the key
	port    uint16 // 0: it names none
}

// routes makes the routes of one listener.
type routes struct {
	dialled
	policy *policy.Snapshot
	notes  *notes
}

// configuration is all routes of the service that is dialled.
func (r *routes) configuration() *routepb.RouteConfiguration {
	host := &routepb.VirtualHost{Name: r.service, Domains: []string{"*"}}
	if svc := r.policy.Service(r.service); svc != nil {
		for _, rule := range svc.Rules {
			host.Routes = append(host.Routes, r.rule(rule)...)
		}
	} else {
		host.Routes = []*routepb.Route{r.plain()}
	}
	return &routepb.RouteConfiguration{Name: r.name, VirtualHosts: []*routepb.VirtualHost{host}}
}

// plain is the route of a service that no VirtualService is for.
func (r *routes) plain() *routepb.Route {
	to := policy.Target{Weight: 1}
	to.Destination = enmesh.Destination{Service: r.service}
	rule := &policy.Rule{Name: r.service, Split: []policy.Target{to}, Retry: policy.DefaultRetry()}
	return &routepb.Route{Name: r.service, Match: everything(), Action: r.forward(rule)}
}

// rule is the routes of one rule: none, if no call of gRPC can be for it.
func (r *routes) rule(rule *policy.Rule) []*routepb.Route {
	matches := rule.Match
	if len(matches) == 0 {
		matches = []*route.Match{nil}
	}
	var out []*routepb.Route
	for i, m := range matches {
		origin := rule.Origin
		if i < len(rule.MatchOrigins) {
			origin = rule.MatchOrigins[i]
		}
		alternatives, problem := r.match(m, origin)
		for _, one := range alternatives {
			made := &routepb.Route{Name: rule.RouteName(m), Match: one}
			if problem != "" {
				r.refuse(made, problem)
			} else {
				r.act(made, rule)
			}
			out = append(out, made)
		}
	}
	return out
}

// act says what becomes of the calls that a route takes.
func (r *routes) act(made *routepb.Route, rule *policy.Rule) {
	switch {
	case rule.Redirect != nil:
		r.refuse(made, "redirects are not for gRPC: "+rule.Origin)
	case rule.Direct != nil:
		r.refuse(made, "an answer without a service behind it: "+rule.Origin)
	case len(rule.Split) == 0:
		r.refuse(made, "the rule has no destination: "+rule.Origin)
	default:
		made.Action = r.forward(rule)
		if f := faultOf(rule.Fault); f != nil {
			made.TypedPerFilterConfig = map[string]*anypb.Any{faultFilter: packed(f)}
		}
	}
}

// forward sends calls on.
func (r *routes) forward(rule *policy.Rule) *routepb.Route_Route {
	action := &routepb.RouteAction{RetryPolicy: retryOf(rule.Retry), HashPolicy: r.hashes(rule)}
	if rule.Timeout > 0 {
		action.MaxStreamDuration = &routepb.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(rule.Timeout)}
	}
	if shares := r.shares(rule.Split); len(shares) == 1 {
		action.ClusterSpecifier = &routepb.RouteAction_Cluster{Cluster: shares[0].GetName()}
	} else {
		action.ClusterSpecifier = &routepb.RouteAction_WeightedClusters{WeightedClusters: &routepb.WeightedCluster{Clusters: shares}}
	}
	return &routepb.Route_Route{Route: action}
}

// destination is where a target leads to from here: at a service's own name the port
// that was dialled is meant where none is said.
func (r *routes) destination(t policy.Target) enmesh.Destination {
	d := t.Destination
	if d.Port == 0 && d.Service == r.service {
		d.Port = r.port
	}
	return d
}

// shares are the clusters of a split, each once.
func (r *routes) shares(split []policy.Target) []*routepb.WeightedCluster_ClusterWeight {
	var names []string
	sums := map[string]uint64{}
	for _, t := range split {
		name := clusterName(r.destination(t))
		if _, twice := sums[name]; !twice {
			names = append(names, name)
		}
		sums[name] += uint64(t.Weight)
	}
	weights := make([]uint64, len(names))
	for i, name := range names {
		weights[i] = sums[name]
	}
	var out []*routepb.WeightedCluster_ClusterWeight
	for i, w := range scaled(weights) {
		out = append(out, &routepb.WeightedCluster_ClusterWeight{Name: names[i], Weight: wrapperspb.UInt32(w)})
	}
	return out
}

// scaled are weights in proportion, each at least 1, whose sum fits into 32 bits.
func scaled(weights []uint64) []uint32 {
	sum := float64(0)
	for _, w := range weights {
		sum += float64(max(w, 1))
	}
	// Each that is raised to 1 adds one to the sum at most.
	most, factor := float64(math.MaxUint32-len(weights)), 1.0
	if sum > most {
		factor = most / sum
	}
	out := make([]uint32, len(weights))
	for i, w := range weights {
		out[i] = max(1, uint32(float64(max(w, 1))*factor))
	}
	return out
}
