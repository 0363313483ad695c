// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// Endpoint is one address set of one instance, for one destination and protocol,
// with what is known about it: calls in flight, latency, ejection, gates. It
// outlives pickers and changes of the set. A [Cluster] makes endpoints.
type Endpoint struct {
	host       *host
	ready      readiness
	pace       pace
	attachment any
	origin     *Endpoint // in panic: what this stands for, whatever its health; nil otherwise
}

// host is what all views of an endpoint share. What a pick, an admission and a release
// touch comes first and fills one cache line of 64 bytes; hosts begin at such a line
// because their size is one that the allocator aligns (a test holds both).
type host struct {
	inflight atomic.Int64
	price    price
	barred   atomic.Uint32 // why no pick may go here; see the bits below
	gates    atomic.Pointer[[]enmesh.Gate]
	cluster  *Cluster
	plain    claim    // of calls that the cluster does not count
	self     Endpoint // as far as its ready

	until  atomic.Int64 // an Instant: when the ejection ends
	closes atomic.Int64 // an Instant: when a drain ends
	rests  atomic.Int64 // an Instant: until, where it is Rest's; see Explain
	since  atomic.Int64 // an Instant: when it came cold; 0: it was there from the start
	info   atomic.Pointer[discovery.Endpoint]
	met    atomic.Bool  // a view of it has been connected
	views  atomic.Int32 // how many are connected

	id      identity
	addrs   []string
	tallied claim // of those that it does
	kept    keeper

	gen uint64 // guarded by cluster.mu: last merge that saw it
	at  int    // guarded by cluster.mu: where in the registry's list it was
	_   [48]byte
}

// The bits of host.barred.
const (
	draining  uint32 = 1 << iota // the registry says that it takes no new calls
	gone                         // it has left the set
	ejected                      // outlier detection took it out, until host.until
	closing                      // its process is about to end, until host.closes
	unhealthy                    // active checks found it so

	passing = ejected | closing | unhealthy // what passes without a new set
)

// identity tells endpoints apart. One that comes back at the same address under
// another service account is another endpoint, so that no connection is reused.
type identity struct{ addrs, namespace, account string }

func newHost(c *Cluster, id identity, addrs []string, info *discovery.Endpoint) *host {
	h := &host{id: id, addrs: addrs, cluster: c}
	h.self.host, h.plain.host, h.tallied.host = h, h, h
	h.self.ready.Store(true)
	h.tell(info)
	return h
}

// tell takes what the registry now says.
func (h *host) tell(info *discovery.Endpoint) {
	told := *info
	told.Version = info.EffectiveVersion() // asked for with every call
	if was := h.info.Swap(&told); was != nil && was.Unconfirmed && !told.Unconfirmed {
		h.until.Store(0) // what it was resting for was not so
	}
	if told.Draining {
		h.barred.Or(draining)
	} else {
		h.barred.And(^draining)
	}
	h.cluster.health.Add(1)
}

// knows reports whether the registry says what it said before.
func (h *host) knows(info *discovery.Endpoint) bool {
	told := *info
	told.Version = info.EffectiveVersion()
	return same(h.info.Load(), &told)
}

// Addr is the address that is dialled first, "host:port".
func (e *Endpoint) Addr() string { return e.host.addrs[0] }

// Addrs are all addresses of the instance, best first. The slice is not written.
func (e *Endpoint) Addrs() []string { return e.host.addrs }

// Label is a label of the instance, or "". The label "version" is the instance's
// version even where the registry keeps that apart.
func (e *Endpoint) Label(key string) string { return labelOf(e.host.info.Load(), key) }

func labelOf(info *discovery.Endpoint, key string) string {
	if key == "version" && info.Version != "" {
		return info.Version
	}
	return info.Labels[key]
}

// Info is the endpoint as the registry last told it. Its slices and maps are shared
// and not written.
func (e *Endpoint) Info() discovery.Endpoint { return *e.host.info.Load() }

// Weight is the endpoint's share among its peers, at least 1.
func (e *Endpoint) Weight() uint32 { return max(e.host.info.Load().Weight, 1) }

// unconfirmed reports whether the endpoint may be gone, for all the registry says.
func (e *Endpoint) unconfirmed() bool { return e.host.info.Load().Unconfirmed }

// Cluster is the cluster that the endpoint belongs, or belonged, to.
func (e *Endpoint) Cluster() *Cluster { return e.host.cluster }

// InFlight is how many admitted calls have not been released yet, through any view.
func (e *Endpoint) InFlight() int64 { return e.host.inflight.Load() }

// Latency is the present peak-EWMA estimate of the time to the answer's head, as
// last observed; 0 while nothing is known.
func (e *Endpoint) Latency() time.Duration {
	ns, _ := e.host.price.load()
	return time.Duration(ns)
}

// Ready reports whether a pick may go there now: its connections are ready (see
// [Endpoint.SetReady]), and it is neither draining, gone from the set, ejected, nor
// found unhealthy.
// What the registry says and what [Endpoint.Drain] was told count alike.
// A picker asks at pick time: its snapshot may be a few milliseconds old.
func (e *Endpoint) Ready() bool {
	if !e.ready.Load() {
		return e.origin != nil && e.origin.answers()
	}
	barred := e.host.barred.Load()
	return barred == 0 || barred&^passing == 0 && !e.host.heldBack(barred, enmesh.Now())
}

// reading is the clock, read when it is first asked for.
type reading enmesh.Instant

func (r *reading) now() enmesh.Instant {
	if *r == 0 {
		*r = reading(enmesh.Now())
	}
	return enmesh.Instant(*r)
}

// readyAt is Ready for who asks many endpoints with one reading of the clock.
func (e *Endpoint) readyAt(clock *reading) bool {
	if !e.ready.Load() {
		return e.origin != nil && e.origin.answers()
	}
	barred := e.host.barred.Load()
	return barred == 0 || barred&^passing == 0 && !e.host.heldBack(barred, clock.now())
}

// SetReady is for the adapter that owns the connections of this view. The
// endpoints of a Cluster start ready, their views do not.
func (e *Endpoint) SetReady(ready bool) {
	switch was := e.ready.Swap(ready); {
	case was == ready:
	case ready:
		e.viewed(1)
	default:
		e.viewed(-1)
	}
	if ready && !e.host.met.Load() {
		e.host.met.Store(true)
	}
}

// viewed counts the views that are ready.
func (e *Endpoint) viewed(n int32) {
	if e != &e.host.self {
		e.host.views.Add(n)
	}
}

// Gone reports whether the endpoint has left its cluster's set. It never comes
// back: an instance that does is a new Endpoint.
func (e *Endpoint) Gone() bool { return e.host.barred.Load()&gone != 0 }

// View makes a view of e for one owner of connections, such as one grpc.ClientConn.
// It shares everything with e but its readiness, which starts false, and its
// attachment.
func (e *Endpoint) View(attachment any) *Endpoint {
	return &Endpoint{host: e.host, attachment: attachment}
}

// Attachment is what the view was made with; nil for an endpoint of a Set.
func (e *Endpoint) Attachment() any { return e.attachment }

// Same reports whether e and o are views of one endpoint.
func (e *Endpoint) Same(o *Endpoint) bool { return e.host == o.host }
