// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// ClusterConfig is what policy says about a destination. It is a value; its map is
// not written after it was given to a Cluster.
type ClusterConfig struct {
	Destination enmesh.Destination
	Protocol    enmesh.Protocol
	// Subset are labels that endpoints must have; none means all endpoints.
	Subset map[string]string
	// Subsetting is which of these endpoints the process has to do with; the zero value
	// is all. The others are not in the Set, and nobody connects to them.
	Subsetting SubsetConfig
	// Algorithm chooses among the endpoints; nil is LeastRequest(2), as in Istio.
	Algorithm Algorithm
	// Panic is the percentage of healthy endpoints below which health is left aside: picks
	// go over all that are connected and take calls, the ejected and unhealthy ones too,
	// since the few that are left would not bear the load (Envoy's healthy panic
	// threshold, 50 there). With [Locality] it holds in each tier by itself, and only while
	// all tiers together are too weak for the load. It is Istio's minHealthPercent. 0 knows
	// no such threshold: health is left aside only when nothing healthy is left. More than
	// 100 is 100.
	Panic uint32
	// Gates makes the gates of an endpoint, outermost first: once when it appears and
	// again on each Configure (see [Endpoint.Keep]). nil: none. It runs under the
	// Cluster's lock and must not change the Cluster.
	Gates func(*Endpoint) []enmesh.Gate
	// AwaitCheck makes endpoints that appear unhealthy until [Endpoint.SetHealthy] says
	// otherwise: for active checks that must pass before the first call. Those that are
	// there when it is set stay as they are.
	AwaitCheck bool
	// Connection says how endpoints are connected to, and how many calls each may have.
	Connection ConnectionConfig
	// Random gives the pickers their uniform random words, so that a simulation repeats
	// itself; nil, for everything else, is math/rand/v2's. As many goroutines call it
	// as pick. It stays as NewCluster was given it: Configure leaves it alone.
	Random func() uint64
	// Now is the clock by which endpoints are new (see [SlowStart]), for a simulation
	// whose time is its own; nil is enmesh.Now. It stays as NewCluster was given it, too.
	// What calls learn goes by their own readings, and all else by enmesh.Now: ejections,
	// drains, rests.
	Now func() enmesh.Instant
}

func (cfg *ClusterConfig) algorithm() Algorithm {
	a := cfg.Algorithm
	if a == nil {
		a = LeastRequest(2)
	}
	if cfg.Panic > 0 {
		a = guard(cfg.Panic, a)
	}
	return a
}

// Cluster is one destination for one protocol: its endpoints, their statistics, and
// the algorithm in force. Discovery writes it with Apply, policy with Configure,
// both adapters read it. All methods may be called by any number of goroutines.
type Cluster struct {
	mu      sync.Mutex // guards what follows, down to subs
	cfg     ClusterConfig
	told    []discovery.Endpoint // the registry's list, as applied last
	hosts   []*host              // of told, by position; nil where the cluster has no use for it
	spare   []*host              // the hosts before, to be overwritten
	index   map[identity]*host
	gen     uint64
	refusal *enmesh.Error // nil after an Apply
	subs    []*subscription

	current atomic.Pointer[state]
	health  atomic.Uint64             // see HealthVersion
	load    atomic.Pointer[loadCount] // nil until a picker bounds loads; see counted
	newest  atomic.Int64              // an Instant: the latest host.since; see SlowStart
	first   chan struct{}             // closed by the first set
	random  source                    // of the configuration that it was made with
	now     func() enmesh.Instant     // likewise
	still   *standstill               // nil in a simulation, whose clock is another
}

// NewCluster makes a Cluster that knows no endpoints yet: until the first Apply,
// Set is nil and Wait waits.
func NewCluster(cfg ClusterConfig) *Cluster {
	c := &Cluster{cfg: cfg, index: map[identity]*host{}, first: make(chan struct{}), random: global, now: enmesh.Now}
	if cfg.Random != nil {
		c.random = cfg.Random
	} else {
		c.still = newStandstill()
	}
	if cfg.Now != nil {
		c.now = cfg.Now
	}
	return c
}

// Apply takes the full list as discovery knows it; the list may be reused, the slices
// and maps in it are kept and not to be written. Endpoints that stay keep their
// identity and statistics; the second of two that cannot be told apart is left out.
// An unchanged list publishes nothing, an empty one publishes an empty set.
func (c *Cluster) Apply(eps []discovery.Endpoint) {
	c.mu.Lock()
	known := c.current.Load() != nil && c.refusal == nil
	c.refusal = nil
	if d := c.merge(eps, false); d.any() || !known {
		c.publish(d)
	}
	subs := c.subs
	c.mu.Unlock()
	deliver(subs)
}

// Refuse empties the cluster and says why its calls fail, as [ErrNoCluster]; the
// next Apply lifts it. It publishes nothing if that is how things stand.
func (c *Cluster) Refuse(why *enmesh.Error) {
	c.mu.Lock()
	if c.refusal != why {
		c.refusal = why
		c.publish(c.merge(nil, false))
	}
	subs := c.subs
	c.mu.Unlock()
	deliver(subs)
}

// Configure takes a changed policy. The endpoints stay, with their statistics, as
// far as the new subset and port have them; their gates are built anew; the set is
// published again. Before the first Apply it publishes nothing.
func (c *Cluster) Configure(cfg ClusterConfig) {
	c.mu.Lock()
	c.cfg = cfg
	for _, h := range c.index {
		c.furnish(h)
	}
	if c.current.Load() != nil {
		c.publish(c.merge(c.told, true))
	}
	subs := c.subs
	c.mu.Unlock()
	deliver(subs)
}

// furnish builds the gates of an endpoint; what they do not keep is forgotten.
func (c *Cluster) furnish(h *host) {
	var gates []enmesh.Gate
	h.kept.renew(func() {
		if c.cfg.Gates != nil {
			gates = c.cfg.Gates(&h.self)
		}
		if most := c.cfg.Connection.MaxRequests; most > 0 {
			gates = append([]enmesh.Gate{requestsOf(&h.self, most)}, gates...)
		}
	})
	if len(gates) == 0 {
		h.gates.Store(nil)
		return
	}
	h.gates.Store(&gates)
}

// publish makes the present state the one that everybody sees; mu is held.
func (c *Cluster) publish(d difference) {
	refusal := c.refusal
	if refusal == nil {
		refusal = ErrNoEndpoint
	}
	s := &state{Set: Set{
		Endpoints: d.all, Added: d.added, Removed: d.removed,
		Algorithm: c.cfg.algorithm(), Connection: c.cfg.Connection, Refusal: refusal, Version: 1,
	}}
	before := c.current.Load()
	if before != nil {
		s.Version = before.Version + 1
	}
	c.current.Store(s)
	for _, e := range d.removed {
		e.host.barred.Or(gone) // not before: whoever finds it gone finds the new state
	}
	if before == nil {
		close(c.first)
	}
	for _, sub := range c.subs {
		sub.push(&s.Set)
	}
}

// Set is the present set, or nil before the first.
func (c *Cluster) Set() *Set {
	if s := c.current.Load(); s != nil {
		return &s.Set
	}
	return nil
}

// Wait waits for the first set. Its error is the context's end, as [enmesh.EndOf]
// explains it.
func (c *Cluster) Wait(ctx context.Context) error {
	if c.current.Load() != nil {
		return nil
	}
	select {
	case <-c.first:
		return nil
	case <-ctx.Done():
		return enmesh.EndOf(ctx)
	}
}

// Picker picks among all endpoints of whatever set is the present one: for adapters
// without connection states of their own, such as HTTP's. It fails with
// [ErrNoEndpoint] before the first set, and with the set's Refusal when it is empty.
func (c *Cluster) Picker() Picker { return (*livePicker)(c) }

// Config is the policy in force.
func (c *Cluster) Config() ClusterConfig {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg
}

// livePicker is a Cluster as a Picker.
type livePicker Cluster

func (p *livePicker) Pick(c *enmesh.Call) (*Endpoint, error) {
	s := p.current.Load()
	for s != nil {
		e, err := s.pick(c)
		if err == nil {
			return e, nil
		}
		now := p.current.Load()
		if now == s {
			return nil, err
		}
		s = now // what s had may be gone: the set has changed meanwhile
	}
	return nil, ErrNoEndpoint
}
