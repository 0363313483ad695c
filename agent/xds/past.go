// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"slices"
	"sync"
	"time"
)

// Bounds of the memory of clients that went away.
const (
	keptFor      = time.Hour
	keptClients  = 1000
	keptPerKnown = 1000
)

// past is what a client refused, with what it had accepted before: a client that
// comes back is not sent what it refused, but what it accepted. Where it accepted
// nothing, a new stream sends once more what was refused, so that the client can
// tell its user why; silence would be taken for a missing resource.
type past struct {
	mu   sync.Mutex // guards the fields below; a leaf: nothing is called under it
	was  map[pastKey]memory
	used int       // streams of the client
	left time.Time // when the last of them ended
}

type pastKey struct {
	kind Kind
	name string
}

type memory struct {
	acked    *held
	rejected []rejection
}

// keep remembers what the client refused of e, if anything.
func (p *past) keep(e *entry) {
	if len(e.rejected()) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pastKey{e.sub.kind, e.name.Value()}
	if g := e.good(); g == nil || g.body == nil {
		delete(p.was, key)
		return
	}
	if _, known := p.was[key]; !known && len(p.was) >= keptPerKnown {
		return
	}
	if p.was == nil {
		p.was = map[pastKey]memory{}
	}
	p.was[key] = memory{e.good(), slices.Clone(e.rejected())}
}

// recall fills in what is remembered of e's name.
func (p *past) recall(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.was) == 0 {
		return
	}
	if m, ok := p.was[pastKey{e.sub.kind, e.name.Value()}]; ok {
		odd := e.trouble()
		odd.spare, odd.rejected = m.acked, slices.Clone(m.rejected)
	}
}

// history has the past of every client, by its id and version: another version of
// a client may accept what the last one refused.
type history struct {
	mu sync.Mutex // guards of; taken before a past's own
	of map[clientKey]*past
}

type clientKey struct{ id, client, version string }

func keyOf(n *Node) clientKey { return clientKey{n.ID, n.Client, n.Version} }

// enter gives the past of a client whose stream begins.
func (h *history) enter(n *Node) *past {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := keyOf(n)
	p := h.of[k]
	if p == nil {
		p = &past{}
		if h.of == nil {
			h.of = map[clientKey]*past{}
		}
		h.of[k] = p
	}
	p.used++
	return p
}

// leave notes that a stream ended, and forgets what is not worth keeping.
func (h *history) leave(n *Node, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := keyOf(n)
	p := h.of[k]
	if p == nil {
		return
	}
	p.used--
	p.left = now
	if p.used == 0 && p.empty() {
		delete(h.of, k)
	}
	if len(h.of) > keptClients {
		h.sweep(now)
	}
}

func (p *past) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.was) == 0
}

// sweep forgets clients that are long gone, and the longest gone of too many.
func (h *history) sweep(now time.Time) {
	var oldest clientKey
	var at time.Time
	for k, p := range h.of {
		switch {
		case p.used > 0:
		case now.Sub(p.left) > keptFor:
			delete(h.of, k)
		case at.IsZero() || p.left.Before(at):
			oldest, at = k, p.left
		}
	}
	if len(h.of) > keptClients && !at.IsZero() {
		delete(h.of, oldest)
	}
}
