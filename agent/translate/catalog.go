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

	setting sync.Mutex // one SetPolicy at a time; taken before mu

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
	number   uint64       // of changes

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

// Watch implements [xds.Catalog]. f may be called before it returns, on the caller's
// goroutine, and is not called once stop has returned. One f of a node is called at a time:
// neither Watch nor stop may be called by one, nor with a lock held that one takes. The node
// is not to be changed while it watches anything; what a node's watches have in common is
// kept by its address.
func (c *Catalog) Watch(n *xds.Node, k xds.Kind, name string, f func(xds.Resource)) (stop func()) {
	m := &mailbox{f: f}
	var out post
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return func() {}
	}
	m.from = c.visit(n)
	m.from.watches++
	c.join(m, k, name, nil, &out)
	c.mu.Unlock()
	out.deliver(c.cfg.Report)
	return m.stop
}

// leave ends a watch.
func (c *Catalog) leave(m *mailbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := m.at
	if e == nil {
		return // it was ended before
	}
	e.part(m)
	if len(e.watchers) == 0 {
		c.drop(e)
	}
	m.from.watches--
	if m.from.watches == 0 {
		delete(c.visitors, m.from.node)
	}
}

// Notes is what is to be said about the resources that somebody watches, sorted.
func (c *Catalog) Notes() []Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Keys(c.noted), Note.compare)
}
