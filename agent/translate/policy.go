// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"slices"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/policy"
)

// SetPolicy puts policy in force: s, and what it is for processes in other namespaces or
// with other labels (see [policy.Snapshot.For]). Where it cannot be compiled, the last that
// could stays in force, and a Note says so. Changes of instances go on meanwhile.
func (c *Catalog) SetPolicy(s *policy.Snapshot) {
	c.setting.Lock()
	defer c.setting.Unlock()
	compiled := c.precompile(s)
	defer c.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.base
	c.base, c.known, c.compiled = s, namespacesOf(s), compiled
	c.tidy(0)
	if slices.Equal(before.LabelKeys(), s.LabelKeys()) {
		for at, v := range c.views {
			c.compile(at, v)
		}
		c.renew()
	} else {
		c.regroup()
	}
	c.compiled = nil
	c.set = true
	c.begin()
}

// outcome is what compiling policy for a scope gave.
type outcome struct {
	policy *policy.Snapshot
	err    error
}

// precompile compiles policy for all who watch now, without holding anybody up.
func (c *Catalog) precompile(s *policy.Snapshot) map[scope]outcome {
	scopes := map[scope]map[string]string{}
	c.mu.Lock()
	for _, v := range c.visitors {
		at, labels := c.scopeOf(v.node, s)
		scopes[at] = labels
	}
	c.mu.Unlock()
	out := make(map[scope]outcome, len(scopes))
	for at, labels := range scopes {
		made, err := s.For(at.namespace, labels)
		out[at] = outcome{made, err}
	}
	return out
}

// compile makes policy for a scope. c.mu is held.
func (c *Catalog) compile(at scope, v *view) {
	made, ok := c.compiled[at]
	if !ok {
		made.policy, made.err = c.base.For(at.namespace, v.labels)
	}
	if made.err != nil {
		v.problem = "policy is refused for namespace " + at.namespace + ": " + made.err.Error()
		return
	}
	v.policy, v.problem = made.policy, ""
}

// atOnce is how many resources are made before others have their turn.
const atOnce = 64

// renew makes all entries anew, clusters before the routes that lead to them. c.mu is held,
// and given up from time to time.
func (c *Catalog) renew() {
	var moved, stay []*entry
	for _, e := range c.entries {
		if e.view.sightOf(e.kind, e.name) != e.sees {
			moved = append(moved, e)
		} else {
			stay = append(stay, e)
		}
	}
	c.move(moved)
	slices.SortFunc(stay, func(a, b *entry) int { return turn[a.kind] - turn[b.kind] })
	for chunk := range slices.Chunk(stay, atOnce) {
		for _, e := range chunk {
			if c.entries[e.entryKey] == e {
				c.rebuild(e)
			}
		}
		c.mu.Unlock()
		c.deliver()
		c.mu.Lock()
	}
}

// turn is when a kind has its turn.
var turn = map[xds.Kind]int{xds.Cluster: 0, xds.Endpoints: 1, xds.Listener: 2, xds.Route: 3}

// regroup puts every watcher where it belongs, since what nodes have in common has
// changed. c.mu is held.
func (c *Catalog) regroup() {
	before := slices.Collect(maps.Values(c.entries))
	c.entries, c.views = map[entryKey]*entry{}, map[scope]*view{}
	for _, v := range c.visitors {
		v.scope, v.chosen = c.scopeOf(v.node, c.base)
	}
	c.rejoin(before)
}

// move puts the watchers of some entries where they belong. c.mu is held.
func (c *Catalog) move(entries []*entry) {
	for _, e := range entries {
		delete(c.entries, e.entryKey)
		e.view.entries--
	}
	c.rejoin(entries)
}

// rejoin has the watchers of entries that are no longer listed join anew. What they need is
// given up last, so that what others need as well goes on. c.mu is held.
func (c *Catalog) rejoin(entries []*entry) {
	for _, e := range entries {
		for _, w := range e.watchers {
			c.join(w, e.kind, e.name, e)
		}
	}
	for _, e := range entries {
		c.forget(e)
	}
}
