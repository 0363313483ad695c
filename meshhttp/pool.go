// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/balance"
)

// retireTime is how long after the end of a call, or after the endpoint has left, its
// connections are looked at once more: HTTP/2 forgets a stream a moment after its
// body was read.
const retireTime = 250 * time.Millisecond

// pools has the connections of each endpoint that was picked.
type pools struct {
	pattern *http.Transport
	http2   bool // what pattern speaks over TLS
	secure  balance.TLSSource
	timeout time.Duration
	closed  atomic.Bool
	byEnd   sync.Map // *balance.Endpoint -> *pool
	watched sync.Map // *balance.Cluster -> *watch
}

// pool is the connections of one endpoint.
type pool struct {
	rt       *http.Transport
	retired  atomic.Bool
	wire     atomic.Uint64 // how the endpoint is dialled: see pools.secured
	backoff  backoff
	farewell farewell
}

// The low bits of pool.wire; the rest is the version of the set they were found for.
const (
	wireKnown   = 1 << iota // the Source was asked
	wireSecured             // and said TLS
	wireBits    = iota
)

// watch waits for endpoints to leave a cluster.
type watch struct {
	once   sync.Once
	cancel func()
}

func newPools(pattern *http.Transport, secure balance.TLSSource, timeout time.Duration) *pools {
	p := &pools{pattern: pattern.Clone(), secure: secure, timeout: timeout}
	p.http2 = speaksHTTP2(pattern)
	return p
}

// of is the pool of e, made when e is picked for the first time.
func (p *pools) of(e *balance.Endpoint) *pool {
	if have, ok := p.byEnd.Load(e); ok {
		return have.(*pool) //nolint:errcheck // the only type stored
	}
	return p.open(e)
}

// secured reports whether the Source wants TLS for e. It is asked once for each
// published set: what it says changes with policy, and policy publishes the set anew.
// Should it change in between, the dial finds out and refuses.
func (p *pools) secured(e *balance.Endpoint, of *pool) bool {
	if p.secure == nil {
		return false
	}
	set := e.Cluster().Set()
	if set == nil {
		return p.secure.ClientTLS(e) != nil
	}
	if was := of.wire.Load(); was&wireKnown != 0 && was>>wireBits == set.Version {
		return was&wireSecured != 0
	}
	now := set.Version<<wireBits | wireKnown
	if p.secure.ClientTLS(e) != nil {
		now |= wireSecured
	}
	of.wire.Store(now)
	return now&wireSecured != 0
}

func (p *pools) open(e *balance.Endpoint) *pool {
	p.watch(e.Cluster())
	made := &pool{rt: p.transport(e)}
	stored, had := p.byEnd.LoadOrStore(e, made)
	if had {
		return stored.(*pool) //nolint:errcheck // the only type stored
	}
	// The endpoint may have left before it was stored, or all may be closed: then
	// nobody else retires it.
	if e.Gone() || p.closed.Load() {
		p.retire(e)
	}
	return made
}

// watch subscribes to a cluster, once.
func (p *pools) watch(c *balance.Cluster) {
	have, _ := p.watched.LoadOrStore(c, new(watch))
	w := have.(*watch) //nolint:errcheck // the only type stored
	w.once.Do(func() {
		w.cancel = c.Subscribe(func(s *balance.Set) {
			for _, e := range s.Removed {
				p.retire(e)
			}
		})
	})
	if p.closed.Load() {
		w.cancel()
	}
}

// retire closes the idle connections of an endpoint that has left, and those in use
// when their calls have ended.
func (p *pools) retire(e *balance.Endpoint) {
	if have, ok := p.byEnd.LoadAndDelete(e); ok {
		left := have.(*pool) //nolint:errcheck // the only type stored
		left.retired.Store(true)
		left.closeIdle()
	}
}

// released says that a call of this pool has ended. A retired pool gets HTTP/1.1
// connections back closed; those of HTTP/2 are closed a little later.
func (p *pool) released() {
	if p.retired.Load() {
		p.closeIdle()
	}
}

// closeIdle closes what is idle now, and what HTTP/2 will find idle.
func (p *pool) closeIdle() {
	p.rt.CloseIdleConnections()
	time.AfterFunc(retireTime, p.rt.CloseIdleConnections)
}

func (p *pools) closeIdle() {
	p.byEnd.Range(func(_, have any) bool {
		have.(*pool).rt.CloseIdleConnections() //nolint:errcheck // the only type stored
		return true
	})
}

func (p *pools) close() {
	p.closed.Store(true)
	p.watched.Range(func(_, have any) bool {
		w := have.(*watch) //nolint:errcheck // the only type stored
		w.once.Do(func() { w.cancel = func() {} })
		w.cancel()
		return true
	})
	p.byEnd.Range(func(key, _ any) bool {
		p.retire(key.(*balance.Endpoint)) //nolint:errcheck // the only type stored
		return true
	})
}
