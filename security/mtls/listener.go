// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/internal/greeted"
	"github.com/enmesh-go/enmesh/internal/tlslive"
	"github.com/enmesh-go/enmesh/security"
)

// Why a Listener refuses or closes a connection, beside the reasons of the handshake.
var (
	// ErrPlaintext: it came in plaintext where mutual TLS is required now.
	ErrPlaintext = errors.New("mtls: plaintext where mutual TLS is required")
	// ErrOld: it has reached its greatest age.
	ErrOld = errors.New("mtls: the connection is too old")
	// ErrBusy: as many connections as are allowed shake hands, or wait for Accept.
	ErrBusy = fmt.Errorf("mtls: %w", greeted.ErrBusy)
)

// The defaults of a ListenerConfig.
const (
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultMaxAge           = time.Hour
	DefaultMaxHandshakes    = 8192
)

// ListenerConfig has the knobs of a [Listener].
type ListenerConfig struct {
	// Source is the server's identity. It is required, unless Mode is and never says
	// anything but Disable.
	Source security.Source
	// Mode is what is taken at a port of this process, asked for each connection when it
	// comes in and again while it is open: plaintext connections are closed once their
	// port is Strict. nil means Strict everywhere. It must be quick.
	Mode func(port uint16) Mode
	// HandshakeTimeout bounds a connection from its beginning to the end of its
	// handshake, or to its first byte in plaintext. 0 means 5 s; negative is refused.
	HandshakeTimeout time.Duration
	// MaxAge is how long a connection with mutual TLS is open at most, less up to a fifth by
	// chance: it is then closed, whatever is on it. Adapters end connections softly before:
	// meshhttp after 24 to 40 min, meshgrpc after 25, or half to four fifths of what is left
	// of a certificate; an age below that cuts calls. 0 means 1 h, negative any age. No
	// connection outlives the client's certificate.
	MaxAge time.Duration
	// MaxHandshakes is how many connections may be there at once that nobody has accepted
	// yet, their handshake included; further ones are closed. 0 means 8192; negative is
	// refused.
	MaxHandshakes int
	// CRL, when set, refuses clients whose certificate is revoked, or not known not to be.
	CRL *CRL
	// Options are those of [Server], for what is not said here.
	Options []ServerOption
	// Refused, when set, hears of each connection that was not let in, and Closed of each
	// that was closed because its peer is not believed any more. Both may be called on
	// several goroutines at once.
	Refused, Closed func(remote net.Addr, err error)
}

// complete fills in defaults and refuses what makes no sense.
func (c *ListenerConfig) complete() error {
	switch {
	case c.Source == nil && c.Mode == nil:
		return errors.New("mtls: listener: Source is required")
	case c.HandshakeTimeout < 0:
		return fmt.Errorf("mtls: listener: HandshakeTimeout is %v; it must be positive, or 0 for the default", c.HandshakeTimeout)
	case c.MaxHandshakes < 0:
		return fmt.Errorf("mtls: listener: MaxHandshakes is %d; it must be positive, or 0 for the default", c.MaxHandshakes)
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if c.MaxAge == 0 {
		c.MaxAge = DefaultMaxAge
	}
	if c.MaxHandshakes == 0 {
		c.MaxHandshakes = DefaultMaxHandshakes
	}
	if c.Mode == nil {
		c.Mode = func(uint16) Mode { return Strict }
	}
	return nil
}

// Listener is a net.Listener whose connections have had their handshake: Accept gives
// *tls.Conn with a verified client, and where a port takes plaintext also connections
// without TLS. net/http serves both as it is, with HTTP/2 over either; for grpc see
// meshgrpc.WithListener. While a connection is open its client is checked again and again:
// it is closed within 2 s of its certificate's end, of its revocation and of the
// withdrawal of the root or the policy that let it in.
type Listener struct {
	in     *greeted.Listener
	cfg    ListenerConfig
	server *server
	shell  *tls.Config
	live   tlslive.Set

	secured, plain, refused, closed atomic.Uint64
}

// NewListener makes a Listener of inner, which it owns from then on. One goroutine accepts,
// and each connection has one until its handshake is over.
func NewListener(inner net.Listener, cfg ListenerConfig) (*Listener, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	opts := cfg.Options
	if cfg.CRL != nil {
		opts = append(opts[:len(opts):len(opts)], Revocations(cfg.CRL))
	}
	l := &Listener{cfg: cfg, server: newServer(cfg.Source, opts)}
	l.shell = l.server.base()
	l.live.Closed = func(remote net.Addr, err error) {
		l.closed.Add(1)
		if cfg.Closed != nil {
			cfg.Closed(remote, err)
		}
	}
	l.in = greeted.Listen(inner, greeted.Config{Greet: l.greet, Refused: l.refuse, Most: cfg.MaxHandshakes})
	return l, nil
}

// Accept waits for the next connection whose handshake has succeeded.
func (l *Listener) Accept() (net.Conn, error) { return l.in.Accept() }

// Addr is the address of the listener below.
func (l *Listener) Addr() net.Addr { return l.in.Addr() }

// Close stops listening, closes connections that nobody has accepted, and waits for their
// goroutines. Accepted connections stay open, and are still looked after.
func (l *Listener) Close() error { return l.in.Close() }

// refuse counts a connection that is not let in.
func (l *Listener) refuse(conn net.Conn, err error) {
	if errors.Is(err, greeted.ErrBusy) {
		err = ErrBusy
	}
	l.refused.Add(1)
	if l.cfg.Refused != nil {
		l.cfg.Refused(conn.RemoteAddr(), err)
	}
}

// greet makes of a connection what its port's mode wants.
func (l *Listener) greet(ctx context.Context, raw net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.HandshakeTimeout)
	defer cancel()
	port := portOf(raw.LocalAddr())
	switch mode := l.cfg.Mode(port); mode {
	case Strict:
		return l.shake(ctx, raw)
	case Disable:
		return l.plaintext(raw, port), nil
	case Permissive:
		conn, secured, err := sniff(ctx, raw)
		switch {
		case err != nil:
			return nil, err
		case secured:
			return l.shake(ctx, conn)
		}
		return l.plaintext(conn, port), nil
	default:
		return nil, fmt.Errorf("mtls: listener: unknown mode %v", mode)
	}
}

// shake is the TLS handshake. The server's VerifyConnection has conn kept.
func (l *Listener) shake(ctx context.Context, raw net.Conn) (net.Conn, error) {
	conn := &aging{Conn: l.live.Wrap(raw), until: l.end(l.server.now())}
	secured := tls.Server(conn, l.shell)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // err is the one to tell
		return nil, err
	}
	l.secured.Add(1)
	return secured, nil
}

// plaintext is raw, kept while its port takes such.
func (l *Listener) plaintext(raw net.Conn, port uint16) net.Conn {
	conn := l.live.Wrap(raw)
	conn.Keep(func() error {
		if l.cfg.Mode(port) == Strict {
			return ErrPlaintext
		}
		return nil
	})
	l.plain.Add(1)
	return conn
}

// end is when a connection that begins now is too old; zero: never.
func (l *Listener) end(now time.Time) time.Time {
	if l.cfg.MaxAge < 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(float64(l.cfg.MaxAge) * (0.8 + 0.2*rand.Float64())))
}

// ListenerStats counts the connections of a Listener.
type ListenerStats struct {
	Secured   uint64 // let in with mutual TLS
	Plaintext uint64 // let in without; none of them left: the port can be Strict
	Refused   uint64 // not let in
	Closed    uint64 // closed since their peer, or plaintext, is not taken any more
}

// Stats is the counts since the Listener was made.
func (l *Listener) Stats() ListenerStats {
	return ListenerStats{l.secured.Load(), l.plain.Load(), l.refused.Load(), l.closed.Load()}
}

// portOf is the port of an address of this process, 0 where there is none.
func portOf(a net.Addr) uint16 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Port()
	}
	return 0
}
