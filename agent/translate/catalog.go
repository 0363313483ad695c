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
	open   sync.Once
	ctx    context.Context //nolint:containedctx // of the watches of services, ended by Close
	cancel context.CancelFunc
	wait   sync.WaitGroup // of these

	mu       sync.Mutex // guards what follows; nobody is called while it is held
	closed   bool
	base     *policy.Snapshot // as it was set
	known    []string         // namespaces of its documents
	views    map[scope]*view
	entries  map[entryKey]*entry
	services map[string]*service
	noted    map[Note]int // by how many
	number   uint64       // of changes

	described map[string]described // services of ServiceEntries that are looked for
	names     *discovery.Cache     // nil: Config.DNS was given
}

// New makes a Catalog. Until [Catalog.SetPolicy] there is no policy, and until
// [Catalog.Start] nobody should answer with what it has. It ends with Close.
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
		views: map[scope]*view{}, entries: map[entryKey]*entry{}, services: map[string]*service{}, noted: map[Note]int{},
	}
	if err := c.openNames(); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Start says that the first sync of all sources is complete.
func (c *Catalog) Start() { c.open.Do(func() { close(c.ready) }) }

// Ready is closed by [Catalog.Start].
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
// goroutine, and once more after stop has returned.
func (c *Catalog) Watch(n *xds.Node, k xds.Kind, name string, f func(xds.Resource)) (stop func()) {
	m := &mailbox{node: n, f: f}
	var out post
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return func() {}
	}
	c.join(m, k, name, nil, &out)
	c.mu.Unlock()
	out.deliver(c.cfg.Report)
	return func() { c.leave(m, k, name) }
}

func (c *Catalog) leave(m *mailbox, k xds.Kind, name string) {
	m.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	key, _ := c.key(m.node, k, name)
	if e := c.entries[key]; e != nil {
		delete(e.watchers, m)
		if len(e.watchers) == 0 {
			c.drop(e)
		}
	}
}

// SetPolicy puts policy in force: s, and what it is for processes in other namespaces or
// with other labels (see [policy.Snapshot.For]). Where it cannot be compiled, the last that
// could stays in force, and a Note says so.
func (c *Catalog) SetPolicy(s *policy.Snapshot) {
	var out post
	c.mu.Lock()
	before := c.base
	c.base, c.known = s, namespacesOf(s)
	c.tidy(0)
	if slices.Equal(before.LabelKeys(), s.LabelKeys()) {
		for at, v := range c.views {
			c.compile(at, v)
		}
		for _, e := range c.entries {
			c.rebuild(e, &out)
		}
	} else {
		c.regroup(&out)
	}
	c.mu.Unlock()
	out.deliver(c.cfg.Report)
}

// regroup puts every watcher where it belongs, since what nodes have in common has
// changed. c.mu is held.
func (c *Catalog) regroup(out *post) {
	before := slices.Collect(maps.Values(c.entries))
	c.entries, c.views = map[entryKey]*entry{}, map[scope]*view{}
	for _, e := range before {
		for m := range e.watchers {
			c.join(m, e.kind, e.name, e.view.policy, out)
		}
	}
	for _, e := range before {
		c.forget(e)
	}
}

// compile makes policy for a scope. c.mu is held.
func (c *Catalog) compile(at scope, v *view) {
	made, err := c.base.For(at.namespace, v.labels)
	if err != nil {
		v.problem = "policy is refused for namespace " + at.namespace + ": " + err.Error()
		return
	}
	v.policy, v.problem = made, ""
}

// Notes is what is to be said about the resources that somebody watches, sorted.
func (c *Catalog) Notes() []Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Keys(c.noted), Note.compare)
}
