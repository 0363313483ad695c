// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// nextAddress is how long one address of an endpoint has before the next is tried
// beside it (RFC 8305, section 5).
const nextAddress = 250 * time.Millisecond

// dialError is a connection that never came about, handshake included.
type dialError struct {
	addr string
	err  error
}

func (e *dialError) Error() string { return "meshhttp: connecting to " + e.addr + ": " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialer connects to one endpoint, at whatever address net/http asks for.
type dialer struct {
	e         *balance.Endpoint
	raw       func(ctx context.Context, network, addr string) (net.Conn, error)
	timeout   time.Duration // of one address
	secure    balance.TLSSource
	plain     *tls.Config // for https that the caller asked for
	handshake time.Duration
	protocols []string             // ALPN
	probe     *net.KeepAliveConfig // of TCP; nil: as raw has it
	reach     *reach
	live      *tlslive.Set // closes connections whose server is not believed any more
	term      *term        // of those that the mesh secures
}

// speaksHTTP2 reports whether t negotiates HTTP/2 over TLS. Its Clone has been made,
// which settles that.
func speaksHTTP2(t *http.Transport) bool {
	if t.Protocols != nil {
		return t.Protocols.HTTP2()
	}
	_, ok := t.TLSNextProto["h2"]
	return ok
}

// transport is what makes the connections of one endpoint. It keeps none: they have bounds and
// a pool of our own (see [sockets]).
func (p *pools) transport(e *balance.Endpoint, cfg balance.ConnectionConfig, of *pool) *http.Transport {
	t := p.pattern.Clone()
	t.Proxy = nil
	speak(t, cfg.Protocol)
	http2 := p.http2
	if cfg.Protocol != balance.AnyHTTP {
		http2 = cfg.Protocol == balance.HTTP2
	}
	d := &dialer{
		e: e, reach: &of.reach, live: &p.live, term: &of.term, raw: rawDial(t), timeout: max(cfg.ConnectTimeout, 0), secure: p.secure,
		plain: t.TLSClientConfig, handshake: t.TLSHandshakeTimeout, protocols: alpn(t, http2),
	}
	if set := e.Cluster().Set(); p.probes || set != nil && saysProbes(set.Connection) {
		d.probe = &net.KeepAliveConfig{Enable: cfg.ProbeIdle >= 0, Idle: cfg.ProbeIdle, Interval: cfg.ProbeInterval, Count: cfg.Probes}
	}
	t.Dial, t.DialContext = nil, d.dial //nolint:staticcheck // a pattern may still have Dial
	t.DialTLS = nil                     //nolint:staticcheck // a pattern may still have DialTLS
	t.DialTLSContext = d.dialTLS
	// An HTTP/2 that somebody else has put in makes no single connections: net/http's own does.
	t.ForceAttemptHTTP2 = http2
	if http2 {
		t.TLSNextProto = nil
	}
	t.MaxConnsPerHost = 0 // net/http would count such connections when they end, and only then
	t.IdleConnTimeout = max(cfg.IdleTimeout, 0)
	if cfg.PingInterval > 0 {
		h2 := http.HTTP2Config{}
		if t.HTTP2 != nil {
			h2 = *t.HTTP2
		}
		h2.SendPingTimeout, h2.PingTimeout = cfg.PingInterval, cfg.PingTimeout
		t.HTTP2 = &h2
	}
	return t
}

// saysProbes reports whether cfg says how TCP probes, and so goes before the pattern's dialer.
func saysProbes(cfg balance.ConnectionConfig) bool {
	return cfg.ProbeIdle != 0 || cfg.ProbeInterval != 0 || cfg.Probes != 0
}

// speak has t speak what a policy says.
func speak(t *http.Transport, p balance.WireProtocol) {
	if p == balance.AnyHTTP {
		return
	}
	two := p == balance.HTTP2
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(!two)
	t.Protocols.SetHTTP2(two)
	t.Protocols.SetUnencryptedHTTP2(two)
}

func rawDial(t *http.Transport) func(context.Context, string, string) (net.Conn, error) {
	if t.DialContext != nil {
		return t.DialContext
	}
	if dial := t.Dial; dial != nil { //nolint:staticcheck // a pattern may still have Dial
		return func(_ context.Context, network, addr string) (net.Conn, error) { return dial(network, addr) }
	}
	return new(net.Dialer).DialContext
}

// alpn is what a connection offers to speak.
func alpn(t *http.Transport, http2 bool) []string {
	switch {
	case !http2:
		return []string{"http/1.1"}
	case t.Protocols != nil && !t.Protocols.HTTP1():
		return []string{"h2"}
	}
	return []string{"h2", "http/1.1"}
}

// dial connects in plaintext. An endpoint that is to be reached over TLS since the
// request was made is refused: it must not be sent in the clear. So does a connection end
// that was made before.
func (d *dialer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if d.secure != nil && d.secure.ClientTLS(d.e) != nil {
		return nil, &dialError{d.e.Addr(), errors.New("it is to be reached over TLS now")}
	}
	conn, err := d.connect(ctx, network)
	if err != nil {
		return nil, err
	}
	d.reach.connected()
	return made(ctx, d.exposed(conn)), nil
}

// made notes a connection for those who trace calls.
func made(ctx context.Context, conn net.Conn) net.Conn {
	if m, ok := ctx.Value(meterKey{}).(*meter); ok {
		m.conn = conn
	}
	return conn
}

// dialTLS connects and shakes hands: as the mesh says, or else as the caller's
// https to addr does. A connection that the mesh secures is looked after from then on.
func (d *dialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	cfg, ours := d.config(addr)
	conn, err := d.connect(ctx, network)
	if err != nil {
		return nil, err
	}
	if d.handshake > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.handshake)
		defer cancel()
	}
	kept := d.live.Wrap(conn)
	secured := tls.Client(kept, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one to tell
		return nil, &dialError{d.e.Addr(), err}
	}
	if ours {
		d.keep(kept, secured.ConnectionState(), cfg)
	}
	d.reach.connected()
	return made(ctx, secured), nil
}

// config is the TLS configuration of the next connection: the mesh's for the
// endpoint, which is ours, else the pattern's. It offers what the Transport speaks,
// whatever the configuration says.
func (d *dialer) config(addr string) (cfg *tls.Config, ours bool) {
	if d.secure != nil {
		cfg = d.secure.ClientTLS(d.e)
	}
	ours = cfg != nil
	if cfg == nil {
		cfg = d.plain
	}
	if cfg == nil {
		cfg = new(tls.Config)
	}
	named := cfg.ServerName != "" || cfg.InsecureSkipVerify
	if named && slices.Equal(cfg.NextProtos, d.protocols) {
		return cfg, ours
	}
	cfg = cfg.Clone()
	if !named {
		cfg.ServerName, _ = splitAuthority(addr)
	}
	cfg.NextProtos = d.protocols
	return cfg, ours
}

// connect tries the endpoint's addresses: the first at once, each further one when
// the one before has failed or has taken 250 ms. The first connection wins.
func (d *dialer) connect(ctx context.Context, network string) (net.Conn, error) {
	addrs := d.e.Addrs()
	if len(addrs) == 1 {
		return d.try(ctx, network, addrs[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(addrs))
	var first error
	next, running := 0, 0
	stagger := time.NewTimer(0)
	defer stagger.Stop()
	for {
		select {
		case <-stagger.C:
			if next < len(addrs) {
				addr := addrs[next]
				next, running = next+1, running+1
				go func() {
					conn, err := d.try(ctx, network, addr)
					results <- result{conn, err}
				}()
				stagger.Reset(nextAddress)
			}
		case r := <-results:
			running--
			if r.err == nil {
				for range running { // the losers, closed as they come
					go func() {
						if late := <-results; late.conn != nil {
							_ = late.conn.Close()
						}
					}()
				}
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			if next == len(addrs) && running == 0 {
				return nil, first
			}
			stagger.Reset(0)
		}
	}
}

// try connects to one address.
func (d *dialer) try(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.timeout)
		defer cancel()
	}
	done := d.restIfSlow()
	conn, err := d.raw(ctx, network, addr)
	done()
	if err != nil {
		return nil, &dialError{addr, err}
	}
	if tcp, ok := conn.(*net.TCPConn); ok && d.probe != nil {
		_ = tcp.SetKeepAliveConfig(*d.probe) // a connection that is not probed still works
	}
	if m, ok := ctx.Value(meterKey{}).(*meter); ok {
		return metered{conn, m}, nil
	}
	return conn, nil
}

// slowConnect is how long connecting to an endpoint that has not answered yet may take
// until others are preferred. Calls pile up behind it otherwise: HTTP connects when it is
// called. It is longer than a round trip within a region; a farther endpoint is passed over
// for what its first connection takes beyond that.
const slowConnect = 25 * time.Millisecond

// restIfSlow has an endpoint rest that takes long to connect to, until it is connected or
// the time for that is over. One that has answered is known to live.
func (d *dialer) restIfSlow() (done func()) {
	if d.timeout <= slowConnect || d.reach.up.Load() {
		return func() {}
	}
	until := enmesh.Now().Add(d.timeout)
	slow := time.AfterFunc(slowConnect, func() { d.e.Rest(until) })
	return func() {
		if now := enmesh.Now(); !slow.Stop() && d.e.EjectedUntil() == until {
			d.e.Eject(now)
		}
	}
}
