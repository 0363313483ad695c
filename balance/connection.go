// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// What a [ConnectionConfig] means where it says nothing.
const (
	// DefaultConnectTimeout bounds connecting to one address: long enough for any two
	// places on earth, and short enough that a caller can try another endpoint.
	DefaultConnectTimeout = time.Second
	// DefaultIdleTimeout is how long HTTP keeps a connection that carries nothing: less
	// than the minute that servers usually do, so that it is the client who closes.
	DefaultIdleTimeout = 45 * time.Second
	// DefaultAgeJitter is by which share of MaxAge a connection may end sooner.
	DefaultAgeJitter = 0.1
	// DefaultPingInterval and DefaultPingTimeout find a peer that is dead within 15 s.
	DefaultPingInterval = 10 * time.Second
	DefaultPingTimeout  = 5 * time.Second
	// The probes of the operating system find a dead path within 14 s.
	DefaultProbeIdle     = 8 * time.Second
	DefaultProbeInterval = 2 * time.Second
	DefaultProbes        = 3
)

// WireProtocol is the version of HTTP that an endpoint is spoken to in. gRPC has its own.
type WireProtocol uint8

// The protocols. Over TLS the far side has a say, by ALPN, where there is a choice.
const (
	// AnyHTTP is what the adapter's base does: HTTP/2 over TLS where the far side has
	// it, else HTTP/1.1. Istio's useClientProtocol comes to the same here, since a
	// request that a program makes has no protocol of its own.
	AnyHTTP WireProtocol = iota
	// HTTP1 is HTTP/1.1 only: Istio's h2UpgradePolicy DO_NOT_UPGRADE.
	HTTP1
	// HTTP2 is HTTP/2 only, in plaintext with prior knowledge (h2c): UPGRADE.
	HTTP2
)

// String is "HTTP/1.1", "HTTP/2" or "any".
func (p WireProtocol) String() string {
	switch p {
	case HTTP1:
		return "HTTP/1.1"
	case HTTP2:
		return "HTTP/2"
	case AnyHTTP:
	}
	return "any"
}

// ConnectionConfig says how each endpoint of a destination is connected to, and how much
// it is given to do. It is comparable. A field that is zero has its default, and what the
// program gave the adapter (meshhttp's base, meshgrpc's options) comes before defaults.
// Counts hold for one endpoint and for one owner of connections, that is one
// meshhttp.Transport or one grpc.ClientConn; MaxRequests alone holds for all of them.
//
// A call over a limit is refused with [ErrOverflow], and a retry may take another endpoint.
type ConnectionConfig struct {
	// MaxConnections is how many connections may be open at once, those included that are
	// being made and those that finish their last call. HTTP only; 0 means any number.
	MaxConnections int
	// MaxPending is how many calls may wait for a connection, as in Envoy also for one
	// that is being made. HTTP only; 0 means any number.
	MaxPending int
	// MaxRequests is how many calls may be in flight, until their bodies were read and
	// their streams ended. 0 means any number.
	MaxRequests int
	// MaxRequestsPerConnection is how many calls a connection carries before it is
	// closed and another one made. HTTP only; 0 means any number.
	MaxRequestsPerConnection int
	// MaxStreams is how many calls an HTTP/2 connection carries at once; more go to
	// another one. HTTP only; 0 means what the far side allows.
	MaxStreams int
	// Protocol is the version of HTTP. HTTP only.
	Protocol WireProtocol
	// ConnectTimeout bounds connecting to one address, handshakes not included; 0 means
	// 1 s. Less than 0 means no bound.
	ConnectTimeout time.Duration
	// IdleTimeout is how long a connection is kept that carries nothing. HTTP only: gRPC
	// keeps connections as long as endpoints. 0 means 45 s, less than 0 for ever. It
	// must be less than the server's, which otherwise may close just as a request is sent.
	IdleTimeout time.Duration
	// MaxAge is how long a connection is used; calls in flight then finish, and it is
	// closed. 0 means as long as it lasts. A long stream outlives it: it is never cut.
	MaxAge time.Duration
	// AgeJitter is by which share of MaxAge, at most, a connection ends sooner, so that
	// those made together do not end together. 0 means 0.1, less than 0 none.
	AgeJitter float64
	// PingInterval is how long an HTTP/2 connection may be silent before it is pinged,
	// and PingTimeout how long the answer may take before it is closed. 0 means 10 s and
	// 5 s; PingInterval less than 0 means no pings. gRPC asks only while calls are in
	// flight, and no more than servers stand: see meshgrpc.
	PingInterval, PingTimeout time.Duration
	// ProbeIdle is how long a connection may be silent before TCP probes it, ProbeInterval
	// the time between probes, and Probes how many go unanswered before it is given up.
	// 0 means 8 s, 2 s and 3; ProbeIdle less than 0 means no probes.
	ProbeIdle, ProbeInterval time.Duration
	Probes                   int
	// Prewarm is how many connections are opened to an endpoint when it appears, and made
	// anew when they end, by IdleTimeout too. HTTP only, and no more than MaxConnections: gRPC always has one to each. 0
	// means none. It begins with the first call to the destination.
	Prewarm int
}

// Validate refuses what makes no sense.
func (c ConnectionConfig) Validate() error {
	for _, n := range []struct {
		name  string
		value int
	}{
		{"MaxConnections", c.MaxConnections}, {"MaxPending", c.MaxPending}, {"MaxRequests", c.MaxRequests},
		{"MaxRequestsPerConnection", c.MaxRequestsPerConnection}, {"MaxStreams", c.MaxStreams},
		{"Probes", c.Probes}, {"Prewarm", c.Prewarm},
	} {
		if n.value < 0 {
			return fmt.Errorf("balance: connections: %s %d is less than 0", n.name, n.value)
		}
	}
	switch {
	case c.Protocol > HTTP2:
		return fmt.Errorf("balance: connections: Protocol %d is not known", c.Protocol)
	case c.MaxAge < 0:
		return fmt.Errorf("balance: connections: MaxAge %v is less than 0", c.MaxAge)
	case c.PingTimeout < 0, c.ProbeInterval < 0:
		return errors.New("balance: connections: PingTimeout or ProbeInterval is less than 0")
	case !(c.AgeJitter <= 1):
		return fmt.Errorf("balance: connections: AgeJitter %v is not a share", c.AgeJitter)
	case c.MaxConnections > 0 && c.Prewarm > c.MaxConnections:
		return fmt.Errorf("balance: connections: Prewarm %d is more than MaxConnections %d", c.Prewarm, c.MaxConnections)
	}
	return nil
}

// Or fills the fields of c that are zero from d.
func (c ConnectionConfig) Or(d ConnectionConfig) ConnectionConfig {
	return ConnectionConfig{
		MaxConnections:           cmp.Or(c.MaxConnections, d.MaxConnections),
		MaxPending:               cmp.Or(c.MaxPending, d.MaxPending),
		MaxRequests:              cmp.Or(c.MaxRequests, d.MaxRequests),
		MaxRequestsPerConnection: cmp.Or(c.MaxRequestsPerConnection, d.MaxRequestsPerConnection),
		MaxStreams:               cmp.Or(c.MaxStreams, d.MaxStreams),
		Protocol:                 cmp.Or(c.Protocol, d.Protocol),
		ConnectTimeout:           cmp.Or(c.ConnectTimeout, d.ConnectTimeout),
		IdleTimeout:              cmp.Or(c.IdleTimeout, d.IdleTimeout),
		MaxAge:                   cmp.Or(c.MaxAge, d.MaxAge),
		AgeJitter:                cmp.Or(c.AgeJitter, d.AgeJitter),
		PingInterval:             cmp.Or(c.PingInterval, d.PingInterval),
		PingTimeout:              cmp.Or(c.PingTimeout, d.PingTimeout),
		ProbeIdle:                cmp.Or(c.ProbeIdle, d.ProbeIdle),
		ProbeInterval:            cmp.Or(c.ProbeInterval, d.ProbeInterval),
		Probes:                   cmp.Or(c.Probes, d.Probes),
		Prewarm:                  cmp.Or(c.Prewarm, d.Prewarm),
	}
}

// DefaultConnection is what an adapter does where nobody says anything.
var DefaultConnection = ConnectionConfig{
	ConnectTimeout: DefaultConnectTimeout, IdleTimeout: DefaultIdleTimeout, AgeJitter: DefaultAgeJitter,
	PingInterval: DefaultPingInterval, PingTimeout: DefaultPingTimeout,
	ProbeIdle: DefaultProbeIdle, ProbeInterval: DefaultProbeInterval, Probes: DefaultProbes,
}

// Lifetime is how long a new connection is used, for a random number in [0, 1); 0 means
// as long as it lasts.
func (c ConnectionConfig) Lifetime(random float64) time.Duration {
	if c.MaxAge <= 0 {
		return 0
	}
	share := min(max(cmp.Or(c.AgeJitter, DefaultAgeJitter), 0), 1)
	return max(time.Duration(float64(c.MaxAge)*(1-share*random)), 1)
}

// ErrOverflow says that an endpoint has as many calls or connections as it may: 503,
// flag UO. Nothing was sent, and it counts against nobody. Unlike a policy's refusal it
// is about one endpoint: who tries again may find another with room.
var ErrOverflow = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Status: 503,
	Flag: enmesh.FlagOverflow, Err: errors.New("balance: the endpoint has as many calls as it may"),
}
