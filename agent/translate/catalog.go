// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// Catalog makes resources of policy and of the instances of services, and keeps them up
// to date for whoever watches them. It is an [xds.Catalog] and safe for concurrent use.
type Catalog struct {
	cfg    Config
	ready  chan struct{}
	ctx    context.Context //nolint:containedctx // of the watches of services, ended by Close
	cancel context.CancelFunc
	wait   sync.WaitGroup // of these

	setting sync.Mutex // one SetPolicy at a time; taken before telling
	telling sync.Mutex // one goroutine empties the outbox at a time; taken before mu

	mu       sync.Mutex // guards what follows; nobody is called while it is held
	set      bool       // there was a SetPolicy
	started  bool       // there was a Start
	begun    bool       // ready is closed
	closed   bool
	base     *policy.Snapshot  // as it was set
	compiled map[scope]outcome // of base, while it is being put in force
	known    []string          // namespaces of its documents
	views    map[scope]*view
	entries  map[entryKey]*entry
	visitors map[*xds.Node]*visitor
	services map[string]*service
	noted    map[Note]int // by how many
	outbox   outbox

	described map[string]described // services of ServiceEntries that are looked for
	names     *discovery.Cache     // nil: Config.DNS was given
}

// New makes a Catalog. It is ready to be served when it has policy, be it an empty one, and
// its sources are in sync: see [Catalog.SetPolicy] and [Catalog.Start]. It ends with Close.
func New(cfg Config) (*Catalog, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	empty, err := policy.Loader{Namespace: cfg.Namespace, Domain: cfg.Domain}.Parse(nil)
	if err != nil {
		return nil, err
	}
	c := &Catalog{
		cfg: cfg, ready: make(chan struct{}), base: empty,
		views: map[scope]*view{}, entries: map[entryKey]*entry{}, visitors: map[*xds.Node]*visitor{},
		services: map[string]*service{}, noted: map[Note]int{},
	}
	if err := c.openNames(); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Start says that the first sync of all sources is complete. The Catalog is ready when this
// is so and there is policy: without policy, calls would go where it does not want them.
func (c *Catalog) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = true
	c.begin()
}

// begin closes the channel of Ready when it is time. c.mu is held.
func (c *Catalog) begin() {
	if c.set && c.started && !c.begun {
		c.begun = true
		close(c.ready)
	}
}

// Ready is closed when both [Catalog.SetPolicy] and [Catalog.Start] were called, in whatever
// order.
func (c *Catalog) Ready() <-chan struct{} { return c.ready }

// Close ends the watches of services and waits for them. Nothing is told any more.
func (c *Catalog) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wait.Wait()
	return c.closeNames()
}

// Watch implements [xds.Catalog]. w may be told before it returns, on the caller's goroutine,
// and is told nothing once Unwatch has returned. One of all that watch is told at a time:
// neither Watch nor Unwatch may be called by one, nor with a lock held that one takes. The
// node is not to be changed while it watches anything; what a node's watches have in common
// is kept by its address.
func (c *Catalog) Watch(n *xds.Node, k xds.Kind, name string, w xds.Watcher) {
	defer c.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	v := c.visit(n)
	v.watches++
	c.join(watcher{w, v}, k, name, nil)
}

// Unwatch implements [xds.Catalog].
func (c *Catalog) Unwatch(n *xds.Node, k xds.Kind, name string, w xds.Watcher) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.visitors[n]
	if v == nil {
		return
	}
	e := c.find(v, k, name)
	if e == nil || !e.part(watcher{w, v}) {
		return
	}
	c.outbox.without(w)
	if len(e.watchers) == 0 {
		c.drop(e)
	}
	v.watches--
	if v.watches == 0 {
		delete(c.visitors, n)
	}
}

// Notes is what is to be said about the resources that somebody watches, sorted.
func (c *Catalog) Notes() []Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Keys(c.noted), Note.compare)
}
