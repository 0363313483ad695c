// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy/entries"
)

// source is the clusters of a mesh: made on first use, resolved as long as the mesh
// is open, configured anew when policy changes.
type source struct {
	naming    enmesh.Naming
	resolver  discovery.Resolver // asked for keys
	configure func(d enmesh.Destination, p enmesh.Protocol) (balance.ClusterConfig, *enmesh.Error)
	report    func(service string, err error)
	opened    func(d enmesh.Destination, c *balance.Cluster) (kept bool) // a cluster is new; kept: it must stay

	ctx      context.Context //nolint:containedctx // of the watches, ended by close
	cancel   context.CancelFunc
	wait     sync.WaitGroup
	clusters atomic.Pointer[map[clusterKey]*balance.Cluster]

	mu      sync.Mutex // guards what follows, and the writing of clusters
	watches map[string]*watch
	crowd   crowd
}

// clusterKey is a destination, by its own name or as somebody spelled it, for a
// protocol.
type clusterKey struct {
	enmesh.Destination
	protocol enmesh.Protocol
}

// watch is one service's place in the registry, shared by all its clusters.
type watch struct {
	end  context.CancelFunc // of following it
	kept bool               // whether it stays, empty or not; belongs to the source

	mu       sync.Mutex // guards what follows, and orders what clusters are told
	left     bool       // it is followed no more
	clusters map[clusterKey]*balance.Cluster
	known    bool
	set      []discovery.Endpoint
	refusal  *enmesh.Error // the registry has said that there is no such service, and named no endpoint since
	changed  time.Time     // when the set last changed

	ports listedPorts // what calls that name no port go to
}

func newSource(n enmesh.Naming) *source {
	s := &source{naming: n, watches: map[string]*watch{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.clusters.Store(&map[clusterKey]*balance.Cluster{})
	return s
}

// Cluster is the cluster of a destination for a protocol. An unknown service begins
// to be resolved.
func (s *source) Cluster(d enmesh.Destination, p enmesh.Protocol) *balance.Cluster {
	if c := (*s.clusters.Load())[clusterKey{d, p}]; c != nil {
		return c
	}
	return s.join(d, p)
}

// join finds or makes a cluster under its own name, and notes the spelling it was
// asked by.
func (s *source) join(asked enmesh.Destination, p enmesh.Protocol) *balance.Cluster {
	own := clusterKey{asked, p}
	direct, foreign := outside(asked)
	if !foreign {
		own.Service = s.naming.Key(asked.Service)
	}
	s.mu.Lock()
	next := maps.Clone(*s.clusters.Load())
	c := next[own]
	var left []*balance.Cluster
	switch {
	case c == nil && foreign:
		left = s.thin(next)
		c = balance.NewCluster(balance.ClusterConfig{Destination: asked, Protocol: p})
		c.Apply([]discovery.Endpoint{direct})
		s.crowd.outside = append(s.crowd.outside, own)
	case c == nil:
		left = s.thin(next)
		c = s.open(own)
	}
	next[own], next[clusterKey{asked, p}] = c, c
	s.clusters.Store(&next)
	s.mu.Unlock()
	for _, c := range left { // their subscribers may ask for clusters
		c.Refuse(balance.ErrNoCluster)
	}
	return c
}

// open makes a cluster and has its service watched. s.mu is held.
func (s *source) open(key clusterKey) *balance.Cluster {
	cfg, refusal := s.configure(key.Destination, key.protocol)
	c := balance.NewCluster(cfg)
	if refusal != nil {
		c.Refuse(refusal)
	}
	w := s.watch(key.Service)
	w.join(key, c, refusal)
	if s.opened(key.Destination, c) {
		w.kept = true
	}
	return c
}

// watch is a service's place in the registry, followed from now on. s.mu is held.
func (s *source) watch(service string) *watch {
	w := s.watches[service]
	if w == nil {
		ctx, cancel := context.WithCancel(s.ctx)
		w = &watch{end: cancel, clusters: map[clusterKey]*balance.Cluster{}, ports: newListedPorts()}
		s.watches[service] = w
		s.crowd.services = append(s.crowd.services, service)
		s.wait.Go(func() { defer cancel(); s.follow(ctx, service, w) })
	}
	return w
}

// follow tells a service's clusters what the registry says, until ctx ends.
func (s *source) follow(ctx context.Context, service string, w *watch) {
	for set, err := range s.resolver.Watch(ctx, service) {
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, entries.ErrMoved) {
			w.forget()
			continue
		}
		if err != nil {
			w.fail(err)
			s.report(service, err)
			continue
		}
		w.apply(set)
	}
}

// listen tells f the instances of a service whenever they change, until the source is
// closed.
func (s *source) listen(service string, f func([]discovery.Endpoint)) {
	s.wait.Go(func() {
		for set, err := range s.resolver.Watch(s.ctx, service) {
			if err == nil {
				f(set)
			}
		}
	})
}

// registryName is how the registry is asked for a key: by the short name in the
// mesh's own namespace, by name.namespace in another, by the name itself where it is
// foreign.
func (s *source) registryName(key string) string {
	name, namespace, ok := s.naming.SplitKey(key)
	switch {
	case !ok:
		return key
	case s.naming.Key(name) == key:
		return name
	}
	return name + "." + namespace
}

// serviceName is how the registry is asked for a key of the mesh's own; "": it is foreign.
func (s *source) serviceName(key string) string {
	if _, _, ok := s.naming.SplitKey(key); !ok {
		return ""
	}
	return s.registryName(key)
}

// reconfigure tells every cluster the policy now in force.
func (s *source) reconfigure() {
	s.mu.Lock()
	watches := maps.Clone(s.watches)
	s.mu.Unlock()
	for _, w := range watches {
		w.reconfigure(s.configure)
	}
}

func (s *source) close() {
	s.cancel()
	s.wait.Wait()
}

// join adds a cluster and tells it what is known.
func (w *watch) join(key clusterKey, c *balance.Cluster, refusal *enmesh.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clusters[key] = c
	if refusal == nil {
		w.tell(c)
	}
}

// tell gives a cluster the present set. w.mu is held.
func (w *watch) tell(c *balance.Cluster) {
	switch {
	case w.refusal != nil:
		c.Refuse(w.refusal)
	case w.known:
		c.Apply(w.set)
	}
}

func (w *watch) apply(set []discovery.Endpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left {
		return
	}
	w.set, w.known = set, true
	w.changed = time.Now()
	if len(set) > 0 {
		w.refusal = nil
	}
	w.ports.learn(set)
	for _, c := range w.clusters {
		w.tell(c)
	}
}

// forget notes that what comes next is from another source. The clusters keep what they
// were told until then.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known, w.refusal = false, nil
}

// fail notes news that is not a set. The last good set stays; a service that was
// never known is refused rather than waited for when the registry does not have it.
func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left || w.known || !errors.Is(err, discovery.ErrUnknownService) {
		return
	}
	w.refusal = balance.ErrNoCluster
	w.ports.learn(nil)
	for _, c := range w.clusters {
		c.Refuse(balance.ErrNoCluster)
	}
}

// reconfigure tells the clusters a changed policy. One that policy has no place for
// any more is left as it is: no route leads there, and a call on its way still may.
func (w *watch) reconfigure(configure func(enmesh.Destination, enmesh.Protocol) (balance.ClusterConfig, *enmesh.Error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left {
		return
	}
	for key, c := range w.clusters {
		cfg, refusal := configure(key.Destination, key.protocol)
		if refusal != nil {
			continue
		}
		c.Configure(cfg)
		w.tell(c)
	}
}
