// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// pools has the connections of each endpoint that was picked.
type pools struct {
	pattern    *http.Transport
	http2      bool                     // what pattern speaks over TLS
	connection balance.ConnectionConfig // where policy says nothing
	probes     bool                     // TCP's probes are ours to set, not the pattern's dialer's
	secure     balance.TLSSource
	closed     atomic.Bool
	byEnd      sync.Map // *balance.Endpoint -> *pool
	watched    sync.Map // *balance.Cluster -> *watch
	live       tlslive.Set
	learned    sync.Map // *balance.Endpoint -> time.Duration: how long its server keeps what is idle
}

// pool is the connections of one endpoint.
type pool struct {
	sockets  *sockets
	cfg      balance.ConnectionConfig
	one      atomic.Bool   // its latest answer came over HTTP/1
	wire     atomic.Uint64 // how the endpoint is dialled: see pools.secured
	reach    reach
	term     term
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
	once       sync.Once
	cancel     func()
	connection balance.ConnectionConfig // as the latest set has it; belongs to the subscription
	up         atomic.Int32             // how many endpoints have answered: see reach
}

func newPools(pattern *http.Transport, secure balance.TLSSource, cfg balance.ConnectionConfig, probes bool) *pools {
	p := &pools{pattern: pattern.Clone(), secure: secure, probes: probes || saysProbes(cfg)}
	p.http2 = speaksHTTP2(pattern)
	p.connection = cfg.Or(settings(pattern)).Or(balance.DefaultConnection)
	return p
}

// settings are what a Transport says of its connections.
func settings(t *http.Transport) balance.ConnectionConfig {
	cfg := balance.ConnectionConfig{IdleTimeout: t.IdleConnTimeout, MaxConnections: max(t.MaxConnsPerHost, 0)}
	if h2 := t.HTTP2; h2 != nil {
		cfg.PingInterval, cfg.PingTimeout = h2.SendPingTimeout, h2.PingTimeout
	}
	return cfg
}

// settingsOf is how an endpoint is connected to.
func (p *pools) settingsOf(e *balance.Endpoint) balance.ConnectionConfig {
	cfg := p.connection
	if set := e.Cluster().Set(); set != nil {
		cfg = set.Connection.Or(p.connection)
	}
	if told, ok := p.learned.Load(e); ok {
		if limit := told.(time.Duration); cfg.IdleTimeout <= 0 || limit < cfg.IdleTimeout { //nolint:errcheck // the only type stored
			cfg.IdleTimeout = limit
		}
	}
	return cfg
}

// of is the pool of e, made when e is picked for the first time.
func (p *pools) of(e *balance.Endpoint) *pool {
	if have, ok := p.byEnd.Load(e); ok {
		return have.(*pool) //nolint:errcheck // the only type stored
	}
	p.watch(e.Cluster())
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

// open is the pool of e, whose cluster is watched.
func (p *pools) open(e *balance.Endpoint) *pool {
	if have, ok := p.byEnd.Load(e); ok {
		return have.(*pool) //nolint:errcheck // the only type stored
	}
	made := p.build(e)
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

// build makes the pool of an endpoint as it is to be now.
func (p *pools) build(e *balance.Endpoint) *pool {
	cfg := p.settingsOf(e)
	made := &pool{cfg: cfg}
	made.reach.init(e, p.counter(e.Cluster()), cfg.ConnectTimeout)
	made.term.over = func() { p.renew(e, made) }
	made.sockets = newSockets(p.transport(e, cfg, made), cfg, p.mostIdle(cfg), &made.reach)
	return made
}

// spoke notes the major version of HTTP that an answer came over.
func (p *pool) spoke(major int) {
	if one := major == 1; p.one.Load() != one {
		p.one.Store(one)
	}
}

// mostIdle is how many connections of HTTP/1.1 an endpoint keeps that carry nothing: as many
// as the pattern says, or as policy says that there may be, or are to be.
func (p *pools) mostIdle(cfg balance.ConnectionConfig) int {
	n := p.pattern.MaxIdleConnsPerHost
	if n == 0 {
		n = http.DefaultMaxIdleConnsPerHost
	}
	if all := p.pattern.MaxIdleConns; all > 0 {
		n = min(n, all)
	}
	if cfg.MaxConnections != max(p.pattern.MaxConnsPerHost, 0) {
		n = max(n, cfg.MaxConnections)
	}
	return max(n, cfg.Prewarm)
}

// warm opens connections to endpoints before anybody calls them, if they are to have any.
func (p *pools) warm(eps []*balance.Endpoint) {
	for _, e := range eps {
		of := p.open(e)
		to := route{"http", e.Addr()}
		if p.secured(e, of) {
			to.scheme = "https"
		}
		of.sockets.prewarm(to)
	}
}

// counter is where the endpoints of a cluster are counted that have answered.
func (p *pools) counter(c *balance.Cluster) *atomic.Int32 {
	have, _ := p.watched.LoadOrStore(c, new(watch))
	return &have.(*watch).up //nolint:errcheck // the only type stored
}

// watch subscribes to a cluster, once.
func (p *pools) watch(c *balance.Cluster) {
	have, _ := p.watched.LoadOrStore(c, new(watch))
	w := have.(*watch) //nolint:errcheck // the only type stored
	w.once.Do(func() {
		w.cancel = c.Subscribe(func(s *balance.Set) {
			p.hear(w, s)
			if len(s.Endpoints) == 0 && s.Refusal == balance.ErrNoCluster {
				p.unwatch(c, w)
			}
		})
	})
	if p.closed.Load() {
		w.cancel()
	}
}

// unwatch forgets a cluster of a service that is not known any more, and may never be again.
// Should it be, its first call watches it anew.
func (p *pools) unwatch(c *balance.Cluster, w *watch) {
	if !p.watched.CompareAndDelete(c, w) {
		return
	}
	go func() { // a subscriber may not cancel, and may be told before it has subscribed
		w.once.Do(func() { w.cancel = func() {} })
		w.cancel()
	}()
}

// hear takes a set of a cluster: what has left is let go, and so are the connections that
// were made otherwise than they are to be now.
func (p *pools) hear(w *watch, s *balance.Set) {
	for _, e := range s.Removed {
		p.retire(e)
		p.learned.Delete(e)
	}
	fresh := s.Added
	if s.Connection != w.connection {
		w.connection = s.Connection
		fresh = s.Endpoints
		for _, e := range s.Endpoints {
			if have, ok := p.byEnd.Load(e); ok && have.(*pool).cfg != p.settingsOf(e) { //nolint:errcheck // the only type stored
				p.retire(e)
			}
		}
	}
	if s.Connection.Or(p.connection).Prewarm > 0 {
		p.warm(fresh)
	}
}

// retire closes the idle connections of an endpoint that has left, and those in use
// when their calls have ended.
func (p *pools) retire(e *balance.Endpoint) {
	if have, ok := p.byEnd.LoadAndDelete(e); ok {
		have.(*pool).retire() //nolint:errcheck // the only type stored
	}
}

// retire closes what is idle, and the rest as it falls idle.
func (p *pool) retire() {
	p.reach.retire()
	p.term.end()
	p.sockets.retire()
}

func (p *pools) closeIdle() {
	p.byEnd.Range(func(_, have any) bool {
		have.(*pool).sockets.CloseIdleConnections() //nolint:errcheck // the only type stored
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
