// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"strings"
	"unicode/utf8"

	endpointpb "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// built is what was made for an entry.
type built struct {
	xds.Resource
	known bool   // false: wait for the service
	needs string // the service that it depends on
}

// noPolicy is why a scope without policy gets nothing.
const noPolicy = "there is no policy in force here, since what there is was refused"

// build makes the resource of an entry. c.mu is held.
func (c *Catalog) build(e *entry, n *notes) built {
	if !utf8.ValidString(e.name) { // nothing can have such a name
		return built{Resource: missing(e.kind, e.name), known: true}
	}
	switch e.kind {
	case xds.Listener:
		return c.listener(e, n)
	case xds.Route:
		return c.routes(e, n)
	case xds.Cluster:
		return c.cluster(e, n)
	case xds.Endpoints:
		return c.endpoints(e, n)
	}
	return built{Resource: missing(e.kind, e.name), known: true}
}

func (c *Catalog) listener(e *entry, n *notes) built {
	if e.name == xds.All { // nobody may see everything
		return built{}
	}
	if isInbound(e.name) {
		return built{Resource: c.inbound(e, n), known: true}
	}
	fail := func(needs, why string) built {
		n.add(policy.Rejected, "", why+": calls end with UNAVAILABLE")
		return built{encode(xds.Listener, e.name, failingListener(e.client, e.name, why)), true, needs}
	}
	d, ok := c.dial(e)
	switch {
	case !ok:
		return fail("", "this is no name of a service")
	case e.view.policy == nil:
		return fail("", noPolicy)
	}
	good := built{encode(xds.Listener, e.name, clientListener(e.name)), true, ""}
	if e.view.policy.Service(d.service) != nil {
		return good
	}
	good.needs = c.serviceOf(e.view.policy, d.service)
	switch s := c.services[good.needs]; {
	case !s.told():
		return built{needs: good.needs}
	case s.absent && !s.known:
		return fail(good.needs, "no registry and no VirtualService knows the service "+d.service)
	}
	return good
}

// dial takes the name apart that a client dials.
func (c *Catalog) dial(e *entry) (dialled, bool) {
	d := dialled{name: e.name, port: portOf(e.name), service: c.naming(e.scope).Key(e.name)}
	return d, isHost(d.service)
}

// isHost reports whether a key may be asked for: a name, not a path or a pattern.
func isHost(key string) bool {
	for i := range len(key) {
		b := key[i]
		if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b == '.') {
			return false
		}
	}
	return key != "" && len(key) <= 253 && key[0] != '.' && !strings.Contains(key, "..")
}

func (c *Catalog) routes(e *entry, n *notes) built {
	d, ok := c.dial(e)
	if !ok || e.view.policy == nil {
		return built{Resource: encode(xds.Route, e.name, failingRoutes(e.client, e.name)), known: true}
	}
	r := &routes{dialled: d, policy: e.view.policy, notes: n}
	return built{Resource: encode(xds.Route, e.name, r.configuration()), known: true}
}

func (c *Catalog) cluster(e *entry, n *notes) built {
	d, ok := parseCluster(e.name)
	if name, vacant := dialledIn(e.name); vacant {
		d, ok = enmesh.Destination{Service: c.naming(e.scope).Key(name), Port: portOf(name)}, true
	}
	if !ok || !isHost(d.Service) || e.view.policy == nil {
		return built{Resource: missing(xds.Cluster, e.name), known: true}
	}
	made := clusters{cfg: &c.cfg, policy: e.view.policy, notes: n}
	out := built{known: true}
	var set []discovery.Endpoint
	if made.looks(d) {
		out.needs = c.serviceOf(e.view.policy, d.Service)
		s := c.services[out.needs]
		if !s.told() {
			return built{needs: out.needs}
		}
		set = s.set
	}
	resource := made.cluster(d, set)
	resource.Name = e.name
	out.Resource = encode(xds.Cluster, e.name, resource)
	return out
}

// looks reports whether a cluster depends on who its instances are.
func (c *clusters) looks(d enmesh.Destination) bool {
	if d.Subset == refused {
		return false
	}
	t := c.policy.TLS(d)
	return c.cfg.Certificates != "" && t.Mode != policy.TLSDisable && c.blocked(t) == "" && t.SubjectAltNames == ""
}

func (c *Catalog) endpoints(e *entry, n *notes) built {
	if e.plan != nil && e.plan.of == e.view.policy {
		return c.planned(e, n)
	}
	e.plan = nil
	d, ok := parseCluster(e.name)
	if !ok || !isHost(d.Service) || e.view.policy == nil {
		return built{Resource: missing(xds.Endpoints, e.name), known: true}
	}
	if d.Subset == refused {
		return built{Resource: encode(xds.Endpoints, e.name, &endpointpb.ClusterLoadAssignment{ClusterName: e.name}), known: true}
	}
	p := &plan{of: e.view.policy, needs: c.serviceOf(e.view.policy, d.Service)}
	said := notes{client: n.client, resource: n.resource}
	p.assignment = c.assignment(e, d, &said)
	p.key, p.notes = p.assignment.key(), said.list
	e.plan = p
	return c.planned(e, n)
}

// plan is what the endpoints of an entry are made by, beside the instances, which change more
// often by far.
type plan struct {
	of         *policy.Snapshot
	needs      string // the service
	assignment *assignment
	key        string // of the assignment
	notes      []Note
}

// planned is the endpoints of an entry that has a plan.
func (c *Catalog) planned(e *entry, n *notes) built {
	p := e.plan
	s := c.services[p.needs]
	if !s.told() {
		return built{needs: p.needs}
	}
	n.list = append(n.list, p.notes...)
	made, unusable := s.assign(p)
	if unusable > 0 {
		n.add(policy.Rejected, "", fmt.Sprintf("%d instances have no address that gRPC's clients can use, which is an IP address and a port", unusable))
	}
	return built{made, true, p.needs}
}

// assignment says what of a service a cluster has, for the node of e.
func (c *Catalog) assignment(e *entry, d enmesh.Destination, n *notes) *assignment {
	rule := e.view.policy.Destination(d.Service)
	t := rule.Traffic(d.Subset, d.Port)
	a := &assignment{name: e.name, port: d.Port}
	labels, defined := rule.Labels(d.Subset)
	if a.labels = labels; d.Subset != "" && !defined {
		n.add(policy.Rejected, "", "subset "+d.Subset+" is not defined: calls are refused")
		a.none = true
	}
	if (&clusters{cfg: &c.cfg, policy: e.view.policy, notes: n}).blocked(e.view.policy.TLS(d)) != "" {
		a.none = true
	}
	var sees sight
	if sees, a.locality = sightOfTraffic(t); sees == everywhere {
		return a
	}
	a.locality.Local, a.locality.OutlierDetection = localityOfNode(e.node), t.DetectOutliers
	if sees != byLocation {
		a.locality.Labels = chosen(e.node.Labels, sees.keys())
	}
	return a
}

// assign is the endpoints of a cluster, made once for all who see the same.
func (s *service) assign(p *plan) (xds.Resource, int) {
	if r, ok := s.made[p.key]; ok {
		return r, s.counts[p.key]
	}
	m, unusable := p.assignment.endpoints(s.set)
	r := encode(xds.Endpoints, p.assignment.name, m)
	if s.made == nil {
		s.made, s.counts = map[string]xds.Resource{}, map[string]int{}
	}
	s.made[p.key], s.counts[p.key] = r, unusable
	return r, unusable
}

// key is all of an assignment as one comparable text.
func (a *assignment) key() string {
	return fmt.Sprintf("%s|%d|%t|%s|%+v|%s", a.name, a.port, a.none, canonical(a.labels), a.plain(), canonical(a.locality.Labels))
}

// plain is the locality's configuration without what has no one text.
func (a *assignment) plain() balance.LocalityConfig {
	cfg := a.locality
	cfg.Labels, cfg.ZoneAware.Peers = nil, nil
	return cfg
}
