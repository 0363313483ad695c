// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/connectivity"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// readySet is the connections of one ClientConn to the endpoints of one cluster, and
// the picker over them.
type readySet struct {
	balancer    *meshBalancer
	cluster     *balance.Cluster
	destination enmesh.Destination // by which it was joined
	cancel      func()             // ends the subscription; guarded by balancer.mu, nil while joining

	// members belongs to apply, which the cluster calls once at a time, and to close,
	// after the subscription has ended.
	members map[*balance.Endpoint]*conn

	mu         sync.Mutex          // guards what follows; nothing is called under it but atomics
	set        *balance.Set        // nil before the first
	conns      []*conn             // of members; replaced, never written
	views      []*balance.Endpoint // of conns; replaced, never written
	ready      int
	connecting int
	lastErr    error         // of the connection that failed last
	verdict    *enmesh.Error // none of the ready connections can be picked; nil: some may
	remade     bool          // current is not right any more
	start      start

	changes atomic.Uint64 // counts what a publication must follow; written under mu
	current atomic.Pointer[snapshot]
}

// snapshot is what picks see of a ready set. It is never written.
type snapshot struct {
	state   connectivity.State
	picker  balance.Picker // nil when nothing is ready
	refusal *enmesh.Error  // why calls fail, when picker is nil; nil: they wait
	changes uint64         // readySet.changes when it was made
	doubted atomic.Bool    // a pick found nothing in it
}

func newReadySet(b *meshBalancer, c *balance.Cluster, d enmesh.Destination) *readySet {
	rs := &readySet{balancer: b, cluster: c, destination: d, members: map[*balance.Endpoint]*conn{}}
	rs.current.Store(&snapshot{state: connectivity.Connecting})
	return rs
}

// client is whose ClientConn it is.
func (rs *readySet) client() *Client { return rs.balancer.link.Load().client }

// apply takes a set of the cluster's.
func (rs *readySet) apply(set *balance.Set) {
	gone := make([]*conn, 0, len(set.Removed))
	for _, e := range set.Removed {
		if c := rs.members[e]; c != nil {
			delete(rs.members, e)
			gone = append(gone, c)
		}
	}
	fresh := make([]*conn, 0, len(set.Added))
	for _, e := range set.Added {
		if rs.members[e] == nil {
			c := newConn(rs, e)
			rs.members[e] = c
			fresh = append(fresh, c)
		}
	}
	urgent := rs.take(set, fresh, gone)
	for _, c := range fresh {
		c.open()
	}
	rs.balancer.publisher.changed(rs, urgent)
	for _, c := range gone {
		c.close()
	}
}

// take notes the set and its new and lost members. It reports whether picks that
// wait, or that would go nowhere, must hear of it at once.
func (rs *readySet) take(set *balance.Set, fresh, gone []*conn) (urgent bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.changes.Add(1)
	urgent = rs.set == nil
	wasReady := rs.ready > 0
	for _, c := range gone {
		rs.count(c.state, -1)
		c.part()
	}
	for _, c := range fresh {
		rs.count(c.state, +1)
	}
	aged := rs.set != nil && rs.set.Connection != set.Connection
	rs.set, rs.remade = set, true
	rs.awaitLocked(fresh)
	if len(gone) > 0 || len(fresh) > 0 {
		rs.replaceLocked(fresh)
	}
	if aged {
		for _, c := range rs.conns {
			c.ageLocked(1)
		}
	}
	return urgent || len(rs.conns) == 0 || wasReady && rs.ready == 0
}

// replaceLocked has the lists without those that are gone and with the fresh ones.
func (rs *readySet) replaceLocked(fresh []*conn) {
	conns := make([]*conn, 0, len(rs.conns)+len(fresh))
	for _, c := range rs.conns {
		if !c.gone {
			conns = append(conns, c)
		}
	}
	conns = append(conns, fresh...)
	views := make([]*balance.Endpoint, len(conns))
	for i, c := range conns {
		views[i] = c.view
	}
	rs.conns, rs.views = conns, views
}

func (rs *readySet) count(s connectivity.State, by int) {
	switch s {
	case connectivity.Ready:
		rs.ready += by
	case connectivity.Connecting:
		rs.connecting += by
	}
}

// move notes that a connection has changed state. A failed one stays failed until it
// is ready (gRFC A62): one that tries again and again does not make calls wait. It reports
// whether that is news.
func (rs *readySet) move(c *conn, to connectivity.State, err error) bool {
	rs.mu.Lock()
	if to == connectivity.TransientFailure {
		rs.lastErr = err
	}
	from := c.state
	if c.gone || from == to || from == connectivity.TransientFailure && to != connectivity.Ready {
		rs.mu.Unlock()
		return false
	}
	before := rs.stateLocked()
	rs.count(from, -1)
	c.state = to
	rs.count(to, +1)
	after := rs.stateLocked()
	tell := from == connectivity.Ready || to == connectivity.Ready || c.awaited || before != after || rs.connecting == 0
	if tell {
		rs.changes.Add(1)
		rs.remade = true
	}
	c.awaited = false
	c.view.SetReady(to == connectivity.Ready)
	rs.mu.Unlock()
	if tell {
		rs.balancer.publisher.changed(rs, before != after)
	}
	return true
}

// doubt is asked for when a pick found nothing in a snapshot with connections. The
// usual reason is that a publication is on its way, for which the pick waits: a
// connection was lost, or endpoints have left the set and the balancer has not heard.
// Otherwise all that is connected is draining, and calls are to fail.
func (rs *readySet) doubt(s *snapshot, why *enmesh.Error) {
	if s.changes == rs.changes.Load() && s.doubted.CompareAndSwap(false, true) {
		rs.balancer.beside(func() { rs.confirm(s, why) })
	}
}

// confirm makes the doubt a verdict, unless something has changed, or will. It may wait
// for a change of the cluster that is being made.
func (rs *readySet) confirm(s *snapshot, why *enmesh.Error) {
	rs.cluster.Config() // a cluster marks endpoints as gone before it shows the set without them
	rs.mu.Lock()
	stands := s.changes == rs.changes.Load() && rs.connecting == 0 && rs.cluster.Set().Version == rs.set.Version
	if stands {
		rs.verdict = why
		rs.changes.Add(1)
		rs.remade = true
	}
	rs.mu.Unlock()
	if stands {
		rs.balancer.publisher.changed(rs, true)
	}
}

func (rs *readySet) stateLocked() connectivity.State {
	switch {
	case rs.ready > 0:
		return connectivity.Ready
	case rs.set == nil || rs.connecting > 0:
		return connectivity.Connecting
	}
	return connectivity.TransientFailure
}

// rebuild makes the snapshot that picks see next, unless the present one is right. The
// publisher calls it, one at a time.
func (rs *readySet) rebuild() {
	rs.mu.Lock()
	if !rs.remade {
		rs.mu.Unlock()
		return
	}
	s := &snapshot{state: rs.stateLocked(), changes: rs.changes.Load()}
	set, verdict, err := rs.set, rs.verdict, rs.lastErr
	views, ready := rs.views, rs.ready > 0
	rs.remade, rs.verdict = false, nil
	rs.mu.Unlock()
	switch {
	case verdict != nil:
		s.refusal = verdict
	case ready:
		s.picker = set.Algorithm(views)
	case s.state == connectivity.Connecting: // calls wait
	case len(views) == 0:
		s.refusal = set.Refusal
	default:
		s.refusal = connectFailure(rs.destination, err)
	}
	rs.current.Store(s)
}

// connectFailure is why calls fail when no endpoint can be connected to.
func connectFailure(d enmesh.Destination, err error) *enmesh.Error {
	return &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
		Flag: enmesh.FlagConnectFailure, Policy: "meshgrpc",
		Err: fmt.Errorf("no endpoint of %s can be connected to: %w", d, err),
	}
}

// close ends the subscription, waits for its last set, and shuts the connections.
func (rs *readySet) close() {
	rs.cancel()
	rs.mu.Lock()
	conns := slices.Clone(rs.conns)
	for _, c := range conns {
		c.part()
	}
	rs.start.stop()
	rs.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
}
