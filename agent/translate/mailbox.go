// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import "github.com/enmesh-go/enmesh/agent/xds"

// mailbox takes the changes of one resource to one watcher, in order, the latest only. There
// is one for each name of each stream, so it is small.
type mailbox struct {
	from   *visitor
	f      func(xds.Resource) // nil: stopped; guarded by from.telling, as is number
	number uint64             // of what was told last
	at     *entry             // nil: none any more; guarded by the Catalog's lock, as is slot
	slot   int32              // in the entry's watchers
}

// post tells a resource, unless it is older than one that was told.
func (m *mailbox) post(r *xds.Resource, number uint64) {
	m.from.telling.Lock()
	defer m.from.telling.Unlock()
	if m.f != nil && number > m.number {
		m.number = number
		m.f(*r)
	}
}

// stop ends the watch.
func (m *mailbox) stop() {
	m.from.telling.Lock()
	m.f = nil
	m.from.telling.Unlock()
	m.from.catalog.leave(m)
}

// letter is a resource on its way to a mailbox.
type letter struct {
	to     *mailbox
	what   *xds.Resource
	number uint64
}

// post is what is to be done once the Catalog is no longer locked.
type post struct {
	letters []letter
	reports []Note
}

func (p *post) deliver(report func(Note)) {
	for _, n := range p.reports {
		report(n)
	}
	for _, l := range p.letters {
		l.to.post(l.what, l.number)
	}
}
