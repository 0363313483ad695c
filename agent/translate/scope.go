// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// scope is the workloads that see the same policy.
type scope struct {
	namespace string
	labels    string // those by which policy selects, see canonical
}

// entryKey is a resource, and the nodes that it is the same for.
type entryKey struct {
	scope
	client policy.Enforcer
	kind   xds.Kind
	name   string
	place  string // of endpoints that depend on it: where the node stands, and its labels
}

// view is policy as a scope sees it.
type view struct {
	labels  map[string]string
	policy  *policy.Snapshot // the last good one; nil: there was none
	problem string           // why there is no newer one
	entries int              // how many look at it
}

// canonical is labels as one comparable text.
func canonical(labels map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString(strconv.Quote(key) + "=" + strconv.Quote(labels[key]) + ",")
	}
	return b.String()
}

// chosen are the labels by which policy selects.
func chosen(labels map[string]string, keys []string) map[string]string {
	out := map[string]string{}
	for _, key := range keys {
		if value, ok := labels[key]; ok {
			out[key] = value
		}
	}
	return out
}

func localityOfNode(n *xds.Node) discovery.Locality {
	return discovery.Locality{Region: n.Region, Zone: n.Zone, SubZone: n.SubZone}
}

// namespacesOf is where documents are.
func namespacesOf(s *policy.Snapshot) []string {
	seen := map[string]bool{}
	for _, d := range s.Documents {
		seen[d.Namespace] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// maxIdleViews is how many views are kept that nobody looks at.
const maxIdleViews = 64

// tidy removes the views that nobody looks at, if there are more than so many. c.mu is
// held.
func (c *Catalog) tidy(most int) {
	idle := 0
	for _, v := range c.views {
		if v.entries == 0 {
			idle++
		}
	}
	if idle <= most {
		return
	}
	maps.DeleteFunc(c.views, func(_ scope, v *view) bool { return v.entries == 0 })
}
