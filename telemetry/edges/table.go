// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/lane"
	"github.com/enmesh-go/enmesh/telemetry"
)

// DefaultMaxEdges is how many edges a Table holds at most, unless Config says.
const DefaultMaxEdges = 1000

const (
	unknown  = "unknown"
	overflow = "_overflow"
)

// Config of a Table. The zero Config is the default.
type Config struct {
	MaxEdges int // 0 or less: 1,000
}

// Table counts calls and attempts by edge.
type Table struct {
	limit int

	mu    sync.Mutex // guards edges, and codes of each
	edges map[Name]*edge
}

// edge is one row of a Table.
type edge struct {
	counts lane.Set[counts]
	name   Name
	codes  []*code // guarded by the Table's mu; one per code seen
}

// counts are an edge's, of one lane.
type counts struct {
	attempts atomic.Uint64
	latency  histogram
}

// code counts the requests of an edge that ended alike.
type code struct {
	edge     *edge
	text     string
	failed   bool
	requests lane.Counter
}

// New makes an empty Table.
func New(cfg Config) *Table {
	if cfg.MaxEdges <= 0 {
		cfg.MaxEdges = DefaultMaxEdges
	}
	return &Table{limit: cfg.MaxEdges, edges: map[Name]*edge{}}
}

// Snapshot is what was counted so far, sorted by from, to, version and protocol.
// It holds up no call; what is counted meanwhile may show in a part of it.
func (t *Table) Snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := make(Snapshot, 0, len(t.edges))
	for _, e := range t.edges {
		s = append(s, e.read())
	}
	slices.SortFunc(s, func(a, b Edge) int { return compareNames(a.Name, b.Name) })
	return s
}

// read is the edge as it is. The caller holds the Table's mu.
func (e *edge) read() Edge {
	out := Edge{Name: e.name, Codes: map[string]uint64{}, latency: new(spread)}
	e.counts.All(func(c *counts) {
		out.Attempts += c.attempts.Load()
		c.latency.read(out.latency)
	})
	for _, c := range e.codes {
		n := c.requests.Load()
		out.Requests += n
		out.Codes[c.text] = n
		if c.failed {
			out.Failures += n
		}
	}
	return out.withPercentiles()
}

// edge finds or makes the edge of a name; beyond the limit it is the one for the rest.
func (t *Table) edge(n Name) *edge {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.edges[n]; e != nil {
		return e
	}
	if len(t.edges) >= t.limit {
		n = Name{overflow, overflow, overflow, overflow}
		if e := t.edges[n]; e != nil {
			return e
		}
	}
	e := &edge{name: n}
	t.edges[n] = e
	return e
}

// code finds or makes the counter of a code on an edge.
func (t *Table) code(e *edge, text string, failed bool) *code {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range e.codes {
		if c.text == text && c.failed == failed {
			return c
		}
	}
	c := &code{edge: e, text: text, failed: failed}
	e.codes = append(e.codes, c)
	return c
}

// codeText is how Edge.Codes names the ending of a call.
func codeText(k *key) string {
	if k.protocol == enmesh.GRPC {
		return k.code.String()
	}
	return strconv.Itoa(int(k.status))
}

// nameOf is the edge that calls with key are counted on.
func nameOf(s telemetry.Scope, k *key) Name {
	from := s.Self.Canonical().CanonicalService
	return Name{
		From: orUnknown(from), To: orUnknown(shortName(s.Naming, k.service)),
		Version: orUnknown(k.version), Protocol: k.protocol.String(),
	}
}

// shortName is the name of a service in its own namespace, "name.namespace" of one
// in another, and the host of a foreign one.
func shortName(n enmesh.Naming, host string) string {
	if host == "" {
		return ""
	}
	full := n.Key(host)
	name, namespace, ok := n.SplitKey(full)
	own := n.Namespace
	if own == "" {
		own = "default"
	}
	switch {
	case !ok:
		return full
	case namespace == own:
		return name
	}
	return name + "." + namespace
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
