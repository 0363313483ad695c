// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"sync"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// mailbox takes the changes of one resource to one watcher, in order, the latest only, and
// without a lock held: the watcher may well hold its own while it calls the Catalog.
type mailbox struct {
	node *xds.Node
	f    func(xds.Resource)

	mu      sync.Mutex // guards what follows
	next    xds.Resource
	number  uint64 // of next
	told    string // the version that was told last
	pending bool
	busy    bool // somebody is delivering
	stopped bool
}

// post delivers a resource, unless it is older than one that was posted. If somebody else
// is delivering at this moment, the resource is left to them.
func (m *mailbox) post(r xds.Resource, number uint64) {
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
		if m.next.Version == m.told {
			continue
		}
		r := m.next
		m.told = r.Version
		m.mu.Unlock()
		m.f(r)
		m.mu.Lock()
	}
	m.busy = false
}

func (m *mailbox) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
}

// letter is a resource on its way to a mailbox.
type letter struct {
	to     *mailbox
	what   xds.Resource
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
