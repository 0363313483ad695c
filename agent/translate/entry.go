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
	sees     sight // what of a node it depends on
	watchers []*mailbox
	needs    string        // the service whose instances it depends on; "": none
	now      *xds.Resource // what is told; nil: not known yet
	stage    *stage        // nil: now is all
	notes    []Note
}

// entry finds or makes what a visitor watches; was is where it watched it before, if anywhere:
// it goes on from there. c.mu is held.
func (c *Catalog) entry(v *visitor, k xds.Kind, name string, was *entry, out *post) *entry {
	at := c.views[v.scope]
	if at == nil {
		at = &view{labels: v.chosen}
		if was != nil {
			at.policy = was.view.policy
		}
		c.compile(v.scope, at)
		c.tidy(maxIdleViews)
		c.views[v.scope] = at
	}
	sees := at.sightOf(k, name)
	key := entryKey{scope: v.scope, client: v.client, kind: k, name: name, place: v.place(sees)}
	e := c.entries[key]
	if e == nil {
		e = &entry{entryKey: key, node: v.node, view: at, sees: sees}
		if was != nil && k == xds.Route {
			e.now = was.base() // from which a change goes in steps
		}
		at.entries++
		c.entries[key] = e
		c.rebuild(e, out)
	}
	return e
}

// join adds a watcher and tells it what is known; was is as for entry. c.mu is held.
func (c *Catalog) join(m *mailbox, k xds.Kind, name string, was *entry, out *post) {
	e := c.entry(m.from, k, name, was, out)
	m.at, m.slot = e, int32(len(e.watchers))
	e.watchers = append(e.watchers, m)
	if e.now != nil && (was == nil || was.now == nil || was.now.Version != e.now.Version) {
		c.number++
		out.letters = append(out.letters, letter{m, e.now, c.number})
	}
}

// part removes a watcher. c.mu is held.
func (e *entry) part(m *mailbox) {
	last := len(e.watchers) - 1
	moved := e.watchers[last]
	e.watchers[m.slot], moved.slot = moved, m.slot
	e.watchers[last] = nil
	e.watchers = e.watchers[:last]
	m.at = nil
}

// drop removes an entry that nobody watches. c.mu is held.
func (c *Catalog) drop(e *entry) {
	delete(c.entries, e.entryKey)
	e.view.entries-- // the view stays for whoever comes back: see tidy
	c.forget(e)
}

// forget undoes what an entry has elsewhere. c.mu is held.
func (c *Catalog) forget(e *entry) {
	e.unstage()
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
	if last := e.last(); !made.known || last != nil && made.Version == last.Version {
		return
	}
	c.tell(e, &made.Resource, out)
}

// note replaces the notes of an entry. Those that nobody had are to be reported. c.mu is
// held.
func (c *Catalog) note(e *entry, list []Note, out *post) {
	slices.SortFunc(list, Note.compare)
	list = slices.Compact(list)
	for _, n := range list {
		c.noted[n]++
		if c.noted[n] == 1 {
			out.reports = append(out.reports, n)
		}
	}
	for _, n := range e.notes {
		c.noted[n]--
		if c.noted[n] == 0 {
			delete(c.noted, n)
		}
	}
	e.notes = list
}
