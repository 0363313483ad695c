// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"maps"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// BalancerName is the name of the balancer that this package registers with grpc,
// which offers no other way to bring one. It works on ClientConns made with
// [Client.DialOptions] only.
const BalancerName = "enmesh"

func init() { balancer.Register(builder{}) } // grpc takes balancers by a global name only

type builder struct{}

// Name is [BalancerName].
func (builder) Name() string { return BalancerName }

// Build makes the balancer of one ClientConn, for as long as it is not idle.
func (builder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	b := &meshBalancer{opts: opts, cc: cc, clusters: map[*balance.Cluster]*readySet{}}
	b.publisher.balancer = b
	b.sets.Store(&map[*balance.Cluster]*readySet{})
	return b
}

// meshBalancer has one ready set for each cluster that calls were sent to. Endpoints
// come from the clusters' subscriptions, at any time and on any goroutine; grpc's
// callbacks come one at a time, some under grpc's locks.
//
// The order of locks: none is held while anything of grpc's or balance's is called,
// so there is none.
type meshBalancer struct {
	cc        balancer.ClientConn
	opts      balancer.BuildOptions
	link      atomic.Pointer[link]
	sets      atomic.Pointer[map[*balance.Cluster]*readySet] // what Pick reads; a copy of clusters
	publisher publisher
	running   sync.WaitGroup // goroutines that Close waits for

	mu       sync.Mutex // guards what follows
	clusters map[*balance.Cluster]*readySet
	closed   bool
}

// UpdateClientConnState takes the one state that the resolver pushes.
func (b *meshBalancer) UpdateClientConnState(s balancer.ClientConnState) error {
	l, ok := s.ResolverState.Attributes.Value(linkKey{}).(*link)
	if !ok {
		b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.TransientFailure, Picker: noLinkPicker{}})
		return balancer.ErrBadResolverState
	}
	b.link.Store(l)
	b.publisher.changed(nil, true)
	return nil
}

// ResolverError does nothing: our resolver reports none.
func (b *meshBalancer) ResolverError(error) {}

// UpdateSubConnState is not used by grpc any more.
func (b *meshBalancer) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle connects to the target's own service, if nothing was joined yet.
func (b *meshBalancer) ExitIdle() {
	if l := b.link.Load(); l != nil && len(*b.sets.Load()) == 0 {
		b.join(l.client.source.Cluster(l.own, enmesh.GRPC), l.own)
	}
}

// join begins to follow a cluster, beside the caller, unless that is done already.
// The pick that found it missing waits for the first publication.
func (b *meshBalancer) join(c *balance.Cluster, d enmesh.Destination) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.clusters[c] != nil {
		return
	}
	rs := newReadySet(b, c, d)
	b.clusters[c] = rs
	b.storeSets()
	b.goLocked(func() {
		cancel := c.Subscribe(rs.apply)
		b.mu.Lock()
		rs.cancel = cancel
		b.mu.Unlock()
		b.leaveReplaced()
	})
}

// beside runs f on a goroutine that Close waits for.
func (b *meshBalancer) beside(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.goLocked(f)
	}
}

func (b *meshBalancer) goLocked(f func()) {
	b.running.Add(1)
	go func() {
		defer b.running.Done()
		f()
	}()
}

// storeSets shows Pick the present sets; mu is held.
func (b *meshBalancer) storeSets() {
	sets := maps.Clone(b.clusters)
	b.sets.Store(&sets)
}

// leaveReplaced leaves clusters that the Source has put others in place of.
func (b *meshBalancer) leaveReplaced() {
	source := b.link.Load().client.source
	b.mu.Lock()
	sets := *b.sets.Load()
	b.mu.Unlock()
	for c, rs := range sets {
		if source.Cluster(rs.destination, enmesh.GRPC) != c {
			b.leave(rs)
		}
	}
}

func (b *meshBalancer) leave(rs *readySet) {
	b.mu.Lock()
	if b.closed || b.clusters[rs.cluster] != rs || rs.cancel == nil {
		b.mu.Unlock()
		return
	}
	delete(b.clusters, rs.cluster)
	b.storeSets()
	b.mu.Unlock()
	rs.close()
	b.publisher.changed(nil, false)
}

// Close ends all subscriptions and connections. Calls in flight finish.
func (b *meshBalancer) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.publisher.close()
	b.running.Wait()
	for _, rs := range *b.sets.Load() {
		rs.close()
	}
}

// state is the ClientConn's: the best of all ready sets.
func (b *meshBalancer) state() connectivity.State {
	sets := *b.sets.Load()
	best := connectivity.TransientFailure
	for _, rs := range sets {
		switch rs.current.Load().state {
		case connectivity.Ready:
			return connectivity.Ready
		case connectivity.Connecting:
			best = connectivity.Connecting
		}
	}
	if len(sets) == 0 {
		return connectivity.Connecting
	}
	return best
}
