// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"sync"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// mailbox takes the changes of one resource to one watcher, in order, the latest only, and
// without a lock held: the watcher may well hold its own while it calls the Catalog. There is
// one for each name of each stream, so it is small.
type mailbox struct {
	from *visitor
	f    func(xds.Resource)
	at   *entry // nil: none any more; guarded by the Catalog's lock, as is slot
	slot int32  // in the entry's watchers

	stopped bool // from here on guarded by mu
	pending bool
	busy    bool       // somebody is delivering
	mu      sync.Mutex // guards what is said above and what follows
	next    *xds.Resource
	told    *xds.Resource // what was told last
	number  uint64        // of next
}

// post delivers a resource, unless it is older than one that was posted. If somebody else
// is delivering at this moment, the resource is left to them.
func (m *mailbox) post(r *xds.Resource, number uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if number <= m.number {
		return
	}
	m.next, m.number, m.pending = r, number, true
	if m.busy {
		return
	}
	m.busy = true
	for m.pending && !m.stopped {
		m.pending = false
		r := m.next
		if m.told != nil && r.Version == m.told.Version {
			continue
		}
		m.told = r
		m.mu.Unlock()
		m.f(*r)
		m.mu.Lock()
	}
	m.busy = false
}

// stop ends the watch.
func (m *mailbox) stop() {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
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
