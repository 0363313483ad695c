// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/policy"
)

// visitor is a node that watches something, with what every one of its watches needs of it.
// The Catalog's lock guards it.
type visitor struct {
	node    *xds.Node
	client  policy.Enforcer
	watches int // that are open

	scope    scope
	chosen   map[string]string // the labels of scope
	locality string            // where it stands
}

// visit finds or makes the visitor that a node is. c.mu is held.
func (c *Catalog) visit(n *xds.Node) *visitor {
	v := c.visitors[n]
	if v == nil {
		v = &visitor{node: n, client: EnforcerOf(n.Client), locality: localityOfNode(n).String()}
		v.scope, v.chosen = c.scopeOf(n, c.base)
		c.visitors[n] = v
	}
	return v
}

// scopeOf is whose policy, of s, a node sees, and the labels that decide it.
func (c *Catalog) scopeOf(n *xds.Node, s *policy.Snapshot) (scope, map[string]string) {
	labels := chosen(n.Labels, s.LabelKeys())
	return scope{cmp.Or(n.Namespace, c.cfg.Namespace), canonical(labels)}, labels
}

// sight is what of a node the endpoints of a cluster depend on: everywhere, byLocation, or
// byLocation and the keys of labels.
type sight string

const (
	everywhere sight = "" // they are the same for all nodes
	byLocation sight = "@"
)

// keys are those of the labels.
func (s sight) keys() []string { return strings.Split(strings.TrimPrefix(string(s), "@"), ",") }

// place is what of the node a resource depends on that looks at so much.
func (v *visitor) place(s sight) string {
	switch s {
	case everywhere:
		return ""
	case byLocation:
		return v.locality
	}
	return v.locality + "|" + canonical(chosen(v.node.Labels, s.keys()))
}

// sightOf is what a resource depends on, as policy is now. c.mu is held.
func (v *view) sightOf(k xds.Kind, name string) sight {
	if k != xds.Endpoints || v.policy == nil {
		return everywhere
	}
	d, ok := parseCluster(name)
	if !ok {
		return everywhere
	}
	s, _ := sightOfTraffic(v.policy.Destination(d.Service).Traffic(d.Subset, d.Port))
	return s
}

// sightOfTraffic is what a destination's endpoints depend on, and their configuration, which
// is empty where they are the same for all nodes.
func sightOfTraffic(t policy.Traffic) (sight, balance.LocalityConfig) {
	var cfg balance.LocalityConfig
	if t.Locality != nil {
		cfg = *t.Locality
	}
	if cfg.Disabled || !t.DetectOutliers && len(cfg.Distribute) == 0 && !cfg.ZoneAware.Enabled {
		return everywhere, balance.LocalityConfig{}
	}
	keys := make([]string, len(cfg.FailoverPriority))
	for i, p := range cfg.FailoverPriority {
		keys[i], _, _ = strings.Cut(p, "=")
	}
	return byLocation + sight(strings.Join(keys, ",")), cfg
}

// naming is how nodes of a scope read names.
func (c *Catalog) naming(s scope) enmesh.Naming {
	return enmesh.Naming{Namespace: s.namespace, Domain: c.cfg.Domain, Known: c.known}
}
