// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"errors"
	"sync"

	"github.com/enmesh-go/enmesh/discovery"
)

// watch is one service, followed in each datacenter by a loop of its own, and what
// its readers see: both together.
type watch struct {
	readers int // guarded by Registry.mu
	cancel  context.CancelFunc
	loops   sync.WaitGroup
	each    []*loop

	mu      sync.Mutex             // guards what follows; nothing is called under it
	parts   [][]discovery.Endpoint // by datacenter; nil: not known yet
	errs    []error                // by datacenter
	now     state
	changed chan struct{} // closed and replaced on each change
}

// state is what a reader is shown. It is replaced and never written.
type state struct {
	set []discovery.Endpoint // nil: not known yet
	err error                // why it may be out of date
}

func startWatch(r *Registry, service string) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	dcs := r.datacenters()
	w := &watch{
		cancel: cancel, changed: make(chan struct{}),
		parts: make([][]discovery.Endpoint, len(dcs)), errs: make([]error, len(dcs)),
	}
	for i, dc := range dcs {
		w.each = append(w.each, newLoop(r, w, i, service, dc))
	}
	for _, l := range w.each {
		w.loops.Go(func() { l.run(ctx) })
	}
	return w
}

// stop ends the loops and waits for them.
func (w *watch) stop() {
	w.cancel()
	w.loops.Wait()
}

func (w *watch) read() (state, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.changed
}

// took notes a datacenter's set, and reports whether it is another than before.
func (w *watch) took(i int, set []discovery.Endpoint) (news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	news = w.parts[i] == nil || !discovery.EqualSets(w.parts[i], set)
	if news {
		w.parts[i] = set
	}
	if news || w.errs[i] != nil {
		w.errs[i] = nil
		w.publish()
	}
	return news
}

// failed notes why a datacenter cannot be read.
func (w *watch) failed(i int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if was := w.errs[i]; was != nil && was.Error() == err.Error() {
		return
	}
	w.errs[i] = err
	w.publish()
}

// publish shows what is known. An empty set is only known once every datacenter has
// answered. w.mu is held.
func (w *watch) publish() {
	next := state{set: w.now.set, err: errors.Join(w.errs...)}
	set, all := merge(w.parts), true
	for _, part := range w.parts {
		all = all && part != nil
	}
	if (all || len(set) > 0) && (next.set == nil || !discovery.EqualSets(next.set, set)) {
		next.set = set
	}
	w.now = next
	close(w.changed)
	w.changed = make(chan struct{})
}

// merge puts the sets of several datacenters together, the place in the order being
// the priority. The result is never nil.
func merge(parts [][]discovery.Endpoint) []discovery.Endpoint {
	out := []discovery.Endpoint{}
	for i, part := range parts {
		for _, ep := range part {
			ep.Priority = uint32(i)
			out = append(out, ep)
		}
	}
	return out
}
