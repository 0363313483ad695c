// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"strings"
	"sync"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// loads adds up what clients report of the calls they made, by edge: who called whom.
type loads struct {
	mu    sync.Mutex // guards edges
	edges map[edge]*traffic
}

// edge is a caller and a destination.
type edge struct {
	source, namespace string
	service, subset   string
}

// traffic is what went over an edge so far.
type traffic struct{ issued, succeeded, failed, dropped uint64 }

// maxEdges bounds the edges; further ones are added up as one.
const maxEdges = 10_000

// others is the edge of those.
var others = edge{source: "others", service: "others"}

func newLoads() *loads { return &loads{edges: map[edge]*traffic{}} }

// Report implements [xds.Loads].
func (l *loads) Report(n *xds.Node, list []xds.Load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		one := &list[i]
		t := l.edge(edgeOf(n, one.Cluster))
		t.issued += one.Issued
		t.succeeded += one.Succeeded
		t.failed += one.Failed
		t.dropped += one.Dropped
	}
}

// edge finds or makes the sums of an edge. l.mu is held.
func (l *loads) edge(e edge) *traffic {
	t := l.edges[e]
	if t == nil && len(l.edges) >= maxEdges {
		e = others
		t = l.edges[e]
	}
	if t == nil {
		t = new(traffic)
		l.edges[e] = t
	}
	return t
}

// edgeOf is by the name of the cluster, "outbound|9080|v1|reviews.default.svc.cluster.local".
func edgeOf(n *xds.Node, cluster string) edge {
	e := edge{source: cmp.Or(n.ServiceAccount, n.Cluster, n.ID), namespace: n.Namespace, service: cluster}
	if n.Cluster != "" {
		e.source = n.Cluster
	}
	if parts := strings.Split(cluster, "|"); len(parts) == 4 {
		e.subset, e.service = parts[2], parts[3]
	}
	return e
}

// each calls f with all edges, which it may keep.
func (l *loads) each(f func(edge, traffic)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e, t := range l.edges {
		f(e, *t)
	}
}
