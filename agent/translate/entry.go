// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/policy"
)

// entry is a resource that somebody watches.
type entry struct {
	entryKey
	node     *xds.Node // one of those that it is the same for
	view     *view
	watchers map[*mailbox]struct{}
	needs    string // the service whose instances it depends on; "": none
	known    bool
	now      xds.Resource
	number   uint64
	notes    []Note
}

// key is where a node's watch belongs. c.mu is held.
func (c *Catalog) key(n *xds.Node, k xds.Kind, name string) (entryKey, map[string]string) {
	at, labels := c.scopeOf(n)
	key := entryKey{scope: at, client: EnforcerOf(n.Client), kind: k, name: name}
	if k == xds.Endpoints {
		key.place = localityOfNode(n).String() + "|" + canonical(n.Labels)
	}
	return key, labels
}

// join adds a watcher and tells it what is known; last is the policy that it had, if any.
// c.mu is held.
func (c *Catalog) join(m *mailbox, k xds.Kind, name string, last *policy.Snapshot, out *post) {
	key, labels := c.key(m.node, k, name)
	e := c.entries[key]
	if e == nil {
		e = &entry{entryKey: key, node: m.node, watchers: map[*mailbox]struct{}{}}
		e.view = c.views[key.scope]
		if e.view == nil {
			e.view = &view{labels: labels, policy: last}
			c.compile(key.scope, e.view)
			c.tidy(maxIdleViews)
			c.views[key.scope] = e.view
		}
		e.view.entries++
		c.entries[key] = e
		c.rebuild(e, out)
	}
	e.watchers[m] = struct{}{}
	if e.known {
		c.number++
		out.letters = append(out.letters, letter{m, e.now, c.number})
	}
}

// drop removes an entry that nobody watches. c.mu is held.
func (c *Catalog) drop(e *entry) {
	delete(c.entries, e.entryKey)
	e.view.entries-- // the view stays for whoever comes back: see tidy
	c.forget(e)
}

// forget undoes what an entry has elsewhere. c.mu is held.
func (c *Catalog) forget(e *entry) {
	c.need(e, "")
	c.note(e, nil, nil)
}

// rebuild makes an entry anew, and tells its watchers if it has changed. c.mu is held.
func (c *Catalog) rebuild(e *entry, out *post) {
	n := &notes{client: e.client, resource: e.name}
	if p := e.view.problem; p != "" {
		n.add(policy.Rejected, "", p)
	}
	made := c.build(e, n)
	c.need(e, made.needs)
	c.note(e, n.list, out)
	if !made.known || e.known && made.Version == e.now.Version {
		return
	}
	c.number++
	e.known, e.now, e.number = true, made.Resource, c.number
	for m := range e.watchers {
		out.letters = append(out.letters, letter{m, e.now, e.number})
	}
}

// note replaces the notes of an entry. Those that nobody had are to be reported. c.mu is
// held.
func (c *Catalog) note(e *entry, list []Note, out *post) {
	slices.SortFunc(list, Note.compare)
	list = slices.Compact(list)
	for _, n := range list {
		if c.noted[n]++; c.noted[n] == 1 {
			out.reports = append(out.reports, n)
		}
	}
	for _, n := range e.notes {
		if c.noted[n]--; c.noted[n] == 0 {
			delete(c.noted, n)
		}
	}
	e.notes = list
}
