// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/policy"
)

// watcher is who watches a resource. There is one for each name of each stream, so it is small.
type watcher struct {
	ear  xds.Watcher
	from *visitor
}

// entry is a resource that somebody watches.
type entry struct {
	entryKey
	node     *xds.Node // one of those that it is the same for
	view     *view
	sees     sight // what of a node it depends on
	watchers []watcher
	needs    string        // the service whose instances it depends on; "": none
	now      *xds.Resource // what is told; nil: not known yet
	stage    *stage        // nil: now is all
	notes    []Note
	plan     *plan // of endpoints; nil: to be made
}

// entry finds or makes what a visitor watches; was is where it watched it before, if anywhere:
// it goes on from there. c.mu is held.
func (c *Catalog) entry(v *visitor, k xds.Kind, name string, was *entry) *entry {
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
	key, sees := v.keyOf(at, k, name)
	e := c.entries[key]
	if e == nil {
		e = &entry{entryKey: key, node: v.node, view: at, sees: sees}
		if was != nil && k == xds.Route {
			e.now = was.base() // from which a change goes in steps
		}
		at.entries++
		c.entries[key] = e
		c.rebuild(e)
	}
	return e
}

// find is the entry that a visitor watches, nil if there is none. c.mu is held.
func (c *Catalog) find(v *visitor, k xds.Kind, name string) *entry {
	at := c.views[v.scope]
	if at == nil {
		return nil
	}
	key, _ := v.keyOf(at, k, name)
	return c.entries[key]
}

// keyOf is what a visitor watches, and what of the visitor that depends on.
func (v *visitor) keyOf(at *view, k xds.Kind, name string) (entryKey, sight) {
	sees := at.sightOf(k, name)
	return entryKey{scope: v.scope, client: v.client, kind: k, name: name, place: v.place(sees)}, sees
}

// join adds a watcher and tells it what is known; was is as for entry. c.mu is held.
func (c *Catalog) join(w watcher, k xds.Kind, name string, was *entry) {
	e := c.entry(w.from, k, name, was)
	if n := len(e.watchers); n == cap(e.watchers) {
		e.watchers = append(make([]watcher, 0, n+n/8+1), e.watchers...) // append has room for as many again
	}
	e.watchers = append(e.watchers, w)
	if e.now != nil && (was == nil || was.now == nil || was.now.Version != e.now.Version) {
		c.outbox.letters = append(c.outbox.letters, letter{w.ear, e.now})
	}
}

// part removes a watcher, and reports whether there was one. c.mu is held.
func (e *entry) part(w watcher) bool {
	i := slices.Index(e.watchers, w)
	if i < 0 {
		return false
	}
	last := len(e.watchers) - 1
	e.watchers[i], e.watchers[last] = e.watchers[last], watcher{}
	e.watchers = e.watchers[:last]
	return true
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
	c.note(e, nil)
}

// rebuild makes an entry anew, and tells its watchers if it has changed. c.mu is held.
func (c *Catalog) rebuild(e *entry) {
	n := &notes{client: e.client, resource: e.name}
	if p := e.view.problem; p != "" {
		n.add(policy.Rejected, "", p)
	}
	made := c.build(e, n)
	c.need(e, made.needs)
	c.note(e, n.list)
	if last := e.last(); !made.known || last != nil && made.Version == last.Version {
		return
	}
	c.tell(e, &made.Resource)
}

// note replaces the notes of an entry. Those that nobody had are to be reported. c.mu is
// held.
func (c *Catalog) note(e *entry, list []Note) {
	slices.SortFunc(list, Note.compare)
	list = slices.Compact(list)
	for _, n := range list {
		c.noted[n]++
		if c.noted[n] == 1 {
			c.outbox.reports = append(c.outbox.reports, n)
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
