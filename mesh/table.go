// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

// maxLearned bounds the routes that a Table keeps for hosts that no rule names. A
// call to one more is routed all the same, by a route that is built for it.
const maxLearned = 4096

// Host is the rules of one or more hosts; the first rule that matches a call is
// its route.
type Host struct {
	// Names are keys (see enmesh.Naming); "*.shop.svc.cluster.local" and "*" match by
	// suffix, the longest first, after exact names.
	Names []string
	Rules []Rule
}

// Rule is one route as compiled from policy.
type Rule struct {
	Name           string
	Match          func(c *enmesh.Call) bool // nil matches all
	Split          []Target                  // none: the called host itself
	Resends        bool
	Idempotent     bool
	AttemptTimeout time.Duration
	RemoteAfter    int // as in enmesh.Route
	// Build makes the chain to one of the Split's destinations. It runs once, when the
	// rule is published, and keeps its state with [Keep].
	Build func(st *Store, to Target) ([]enmesh.Middleware, error)

	from *origin // what Explain tells of it; nil where a program made the rule
}

// Target is one share of a weighted split.
type Target struct {
	enmesh.Destination
	Weight uint32 // relative; 0 gets nothing, unless it is the only target
	// Headers are edits for this target alone. The Table leaves them to Build, which has
	// the place for them: above a retry, so that a call is edited once.
	Headers route.Headers
}

// Table is a Router whose routes are replaced together: readers load one pointer,
// calls in flight finish in the chain they began in. The zero Table has no routes;
// make one with [NewTable].
type Table struct {
	naming  enmesh.Naming
	unknown Rule
	outer   enmesh.Middleware // round every refusal of the Table's own
	noRoute *enmesh.Route
	current atomic.Pointer[snapshot]
	mu      sync.Mutex // guards Swap, the snapshot's learned routes while they are added, and closed
	closed  bool
}

// snapshot is all that was published together.
type snapshot struct {
	store    *Store
	hosts    map[string]*builtHost // by key, and by the shorter names that mean it
	suffixes []suffix              // longest first
	learned  sync.Map              // key → *builtHost, for hosts without rules
	count    atomic.Int32          // of learned
}

type suffix struct {
	text string // ".shop.svc.cluster.local"; "" matches all
	host *builtHost
}

type builtHost struct {
	name  string // that the rules were given for
	rules []builtRule
}

// first is the first rule that takes c, or nil.
func (h *builtHost) first(c *enmesh.Call) *builtRule {
	for i := range h.rules {
		if r := &h.rules[i]; r.match == nil || r.match(c) {
			return r
		}
	}
	return nil
}

type builtRule struct {
	match   func(c *enmesh.Call) bool
	routes  []*enmesh.Route
	targets []Target     // of the routes
	split   *route.Split // nil for one route
	from    *origin
}

// NewTable makes an empty Table. Names in calls are read by n; a host without rules
// is routed by unknown, whose Build gets the host's key as its destination, and
// whose Match and Split are not used. outer stands round the Table's own refusals,
// so that "no route" is counted like any other call.
func NewTable(n enmesh.Naming, unknown Rule, outer ...enmesh.Middleware) *Table {
	t := &Table{naming: n, unknown: unknown, outer: enmesh.Chain(outer...)}
	t.noRoute = t.refusal("no route", errNoRoute)
	t.current.Store(&snapshot{store: newStore(nil)})
	return t
}

// refusal is a route whose chain ends with err.
func (t *Table) refusal(name string, err error) *enmesh.Route {
	return &enmesh.Route{Name: name, Next: t.outer(func(context.Context, *enmesh.Call) error { return err })}
}

// Route is the route of c: never nil.
func (t *Table) Route(c *enmesh.Call) *enmesh.Route {
	s := t.current.Load()
	h := s.hosts[c.Service]
	if h == nil {
		h = t.find(s, t.naming.Key(c.Service))
	}
	r := h.first(c)
	switch {
	case r == nil:
		return t.noRoute
	case r.split == nil:
		return r.routes[0]
	}
	return r.routes[r.split.Pick()]
}

// find looks further than by the name as it was called.
func (t *Table) find(s *snapshot, key string) *builtHost {
	if h := s.named(key); h != nil {
		return h
	}
	if h, ok := s.learned.Load(key); ok {
		return h.(*builtHost) //nolint:errcheck // only builtHosts are stored
	}
	return t.learn(s, key)
}

// named is the rules for a key: its own, else those of the longest pattern; nil for none.
func (s *snapshot) named(key string) *builtHost {
	if h := s.hosts[key]; h != nil {
		return h
	}
	for _, x := range s.suffixes {
		if strings.HasSuffix(key, x.text) {
			return x.host
		}
	}
	return nil
}

// learn builds the route of a host that no rule names.
func (t *Table) learn(s *snapshot, key string) *builtHost {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h, ok := s.learned.Load(key); ok {
		return h.(*builtHost) //nolint:errcheck // only builtHosts are stored
	}
	var h *builtHost
	var err error = errTableClosed
	if !t.closed {
		h, err = t.buildUnknown(s.store, key)
	}
	if err != nil {
		return &builtHost{rules: []builtRule{{routes: []*enmesh.Route{t.refusal("refused", err)}}}}
	}
	if s.count.Add(1) <= maxLearned {
		s.learned.Store(key, h)
	}
	return h
}

func (t *Table) buildUnknown(st *Store, key string) (*builtHost, error) {
	rule := t.unknown
	rule.Match, rule.Split = nil, nil
	built, err := build(st, rule, key)
	if err != nil {
		return nil, err
	}
	return &builtHost{rules: []builtRule{built}}, nil
}

// Swap builds every chain and publishes them at once. Nothing is published if any
// rule fails to build, and every failure is named.
func (t *Table) Swap(hosts []Host) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errTableClosed
	}
	before := t.current.Load()
	s := &snapshot{store: newStore(before.store), hosts: map[string]*builtHost{}}
	if err := t.fill(s, before, hosts); err != nil {
		return errors.Join(err, s.store.abandon())
	}
	t.current.Store(s)
	return s.store.commit()
}

// Close closes what the routes keep that is an io.Closer ([Keep]). Calls that are made
// later go by what that was last; those to a host that no rule names and nobody has called
// are refused, and so is a Swap.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	return newStore(t.current.Load().store).commit()
}

// fill builds hosts into s, and again what was learned before, so that its state
// is kept.
func (t *Table) fill(s, before *snapshot, hosts []Host) error {
	for _, h := range hosts {
		for _, name := range h.Names {
			if err := t.add(s, name, h.Rules); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(s.suffixes, func(a, b suffix) int { return len(b.text) - len(a.text) })
	var err error
	before.learned.Range(func(key, _ any) bool {
		name := key.(string) //nolint:errcheck // only names are stored
		if s.hosts[name] != nil {
			return true
		}
		var h *builtHost
		if h, err = t.buildUnknown(s.store, name); err != nil {
			return false
		}
		s.learned.Store(name, h)
		s.count.Add(1)
		return true
	})
	return err
}

// add builds the rules of one name.
func (t *Table) add(s *snapshot, name string, rules []Rule) error {
	h := &builtHost{name: name}
	for _, r := range rules {
		built, err := build(s.store, r, name)
		if err != nil {
			return fmt.Errorf("mesh: rule %q of host %q: %w", r.Name, name, err)
		}
		h.rules = append(h.rules, built)
	}
	if text, ok := strings.CutPrefix(name, "*"); ok {
		s.suffixes = append(s.suffixes, suffix{text, h})
		return nil
	}
	for _, alias := range t.aliases(name) {
		s.hosts[alias] = h
	}
	return nil
}

// aliases are the names that calls may use for a key, so that the common ones are
// found without making a key of each.
func (t *Table) aliases(key string) []string {
	names := []string{key}
	name, namespace, ok := t.naming.SplitKey(key)
	if !ok {
		return names
	}
	for _, short := range []string{name, name + "." + namespace, name + "." + namespace + ".svc"} {
		if t.naming.Key(short) == key {
			names = append(names, short)
		}
	}
	return names
}

// Hosts are the names that rules were given for, sorted: keys, and patterns.
func (t *Table) Hosts() []string {
	s := t.current.Load()
	names := map[string]bool{}
	for name := range s.hosts {
		names[t.naming.Key(name)] = true
	}
	for _, x := range s.suffixes {
		names["*"+x.text] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// build makes the routes of one rule.
func build(st *Store, r Rule, host string) (builtRule, error) {
	targets := r.Split
	if len(targets) == 0 {
		targets = []Target{{Destination: enmesh.Destination{Service: host}}}
	}
	b := builtRule{match: r.Match, from: r.from}
	var weights []uint32
	for _, target := range targets {
		if target.Weight == 0 && len(targets) > 1 {
			continue
		}
		chain, err := r.Build(st, target)
		if err != nil {
			return b, err
		}
		next := enmesh.Chain(chain...)(enmesh.Send)
		b.routes = append(b.routes, &enmesh.Route{
			Name: r.Name, Destination: target.Destination, Resends: r.Resends,
			Idempotent: r.Idempotent, AttemptTimeout: r.AttemptTimeout, RemoteAfter: r.RemoteAfter, Next: next,
		})
		b.targets = append(b.targets, target)
		weights = append(weights, target.Weight)
	}
	if len(b.routes) == 0 {
		return b, fmt.Errorf("the weights of its %d destinations sum to 0: give one a weight", len(targets))
	}
	if len(b.routes) > 1 {
		b.split = route.NewSplit(weights)
	}
	return b, nil
}
