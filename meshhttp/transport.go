// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

var (
	errNoURL  = errors.New("meshhttp: the request has no URL")
	errClosed = &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Policy: "meshhttp",
		Err: errors.New("the transport is closed"),
	}
)

// Transport is an http.RoundTripper that runs a Router's chains and sends to the
// endpoints of a Source. It is safe for concurrent use.
//
// A status of 400 and above is an error inside the chain and an ordinary response
// outside. What a policy refuses is returned as its *enmesh.Error, unless the policy
// made up an answer. The caller's request is never written, and its Body is always
// closed, also when a policy refuses. A response's Body must be read to its end or
// closed, as always: that is when the call has finished.
//
// A body is sent again from GetBody, or from a copy when the route resends and the
// declared length is at most the [ReplayLimit]. One of unknown length is sent once;
// on a route that resends it counts as not sent while nothing of it was read.
type Transport struct {
	router enmesh.Router
	source balance.Source
	pools  *pools            // with a Source and a base that is an *http.Transport
	base   http.RoundTripper // without pools
	secure balance.TLSSource // nil: the Source says nothing about TLS
	cfg    clientConfig
	closed atomic.Bool
}

// NewTransport makes a Transport that routes by r and picks from s.
//
// A nil base is like http.DefaultTransport, with up to 100 idle connections to each
// endpoint. With a Source, an *http.Transport is a pattern: every endpoint gets a
// Transport of its own, cloned from it, without a proxy, so that TLS follows the
// endpoint's identity, limits on connections count for one endpoint, and the idle
// connections of an endpoint that has left the set are closed. Any other base is
// used as it is; it gets URLs with the endpoint's address and cannot serve an
// endpoint that the Source wants TLS for.
//
// A nil s sends to the URL's own host. A Source that is a [balance.TLSSource] too
// decides how each endpoint is dialled: the URL stays "http://service" and the wire
// is TLS. It is asked for each attempt and each connection, and should have its
// answer ready.
func NewTransport(base http.RoundTripper, r enmesh.Router, s balance.Source, opts ...ClientOption) *Transport {
	t := &Transport{router: r, source: s, cfg: newClientConfig(opts)}
	byDefault := base == nil
	if byDefault {
		base = defaultBase()
	}
	if s == nil {
		t.base = base
		return t
	}
	t.secure, _ = s.(balance.TLSSource)
	if pattern, ok := base.(*http.Transport); ok {
		t.pools = newPools(pattern, t.secure, t.cfg.connection, byDefault)
	} else {
		t.base = base
	}
	return t
}

// defaultBase is a clone of http.DefaultTransport that keeps as many idle
// connections to one host as to all together.
func defaultBase() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 100}
	}
	t = t.Clone()
	t.IdleConnTimeout = balance.DefaultIdleTimeout
	t.MaxIdleConnsPerHost = max(t.MaxIdleConns, http.DefaultMaxIdleConnsPerHost)
	return t
}

// RoundTrip sends req through its route's chain.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil {
		closeBody(req.Body)
		return nil, errNoURL
	}
	if t.closed.Load() {
		closeBody(req.Body)
		return nil, errClosed
	}
	x := newExchange(t, req)
	x.describe()
	returned := false
	defer x.onPanic(&returned)
	err := x.run()
	returned = true
	return x.finish(err)
}

// run passes the call through its route's chain.
func (x *exchange) run() error {
	if route := x.k.Enter(x.t.router); route.Resends {
		x.keeps = true
		if e := x.copyBody(); e != nil {
			return e
		}
	}
	return x.k.RunIn(&x.out.link)
}

// CloseIdleConnections closes the connections that no call uses, for
// http.Client.CloseIdleConnections.
func (t *Transport) CloseIdleConnections() {
	if t.pools != nil {
		t.pools.closeIdle()
	} else if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Close lets go of the clusters and closes idle connections. Calls in flight go on;
// later ones are refused. A base that was given keeps its other users' connections
// only if it was used as a pattern.
func (t *Transport) Close() error {
	t.closed.Store(true)
	if t.pools != nil {
		t.pools.close()
	}
	t.CloseIdleConnections()
	return nil
}

func closeBody(b io.ReadCloser) {
	if b != nil {
		_ = b.Close() // as net/http does: the caller learns of the request, not of this
	}
}
