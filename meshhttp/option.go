// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"crypto/tls"
	"net/textproto"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/reserved"
	"github.com/enmesh-go/enmesh/internal/slack"
	"github.com/enmesh-go/enmesh/internal/urlpath"
)

// ClientOption changes a [Transport].
type ClientOption interface{ client(*clientConfig) }

// ServerOption changes a [Handler].
type ServerOption interface{ server(*serverConfig) }

// Option changes both sides.
type Option interface {
	ClientOption
	ServerOption
}

// DefaultReplayLimit is the largest request body, in bytes, that is copied.
const DefaultReplayLimit = 64 << 10

// DefaultConnectTimeout bounds connecting to one address of an endpoint.
const DefaultConnectTimeout = balance.DefaultConnectTimeout

type clientConfig struct {
	replayLimit    int64
	deadlineHeader string
	deadlineSlack  slack.Keeper
	connection     balance.ConnectionConfig
	endOnCancel    bool
}

func newClientConfig(opts []ClientOption) clientConfig {
	cfg := clientConfig{
		replayLimit:    DefaultReplayLimit,
		deadlineHeader: DefaultDeadlineHeader,
	}
	for _, o := range opts {
		o.client(&cfg)
	}
	return cfg
}

type serverConfig struct {
	deadlineHeader string
	maxDeadline    time.Duration
	identity       func(*tls.ConnectionState) string
	rules          urlpath.Rules
	methods        []string
	allow          string // methods, as a header has them
	serverName     ServerNameCheck
	stripped       []string
	underscores    bool
	trusted        func(*enmesh.Peer) bool
	recorder       enmesh.Recorder
}

// stripper is what the configuration says of headers to be taken off.
func (cfg *serverConfig) stripper() stripper {
	keep := []string{cfg.deadlineHeader}
	return stripper{names: reserved.New(cfg.stripped, keep), underscores: cfg.underscores}
}

func newServerConfig(opts []ServerOption) serverConfig {
	cfg := serverConfig{
		deadlineHeader: DefaultDeadlineHeader,
		maxDeadline:    DefaultMaxDeadline,
		identity:       verifiedIdentity,
		methods:        usualMethods,
	}
	for _, o := range opts {
		o.server(&cfg)
	}
	cfg.allow = strings.Join(cfg.methods, ", ")
	return cfg
}

type (
	clientOption func(*clientConfig)
	serverOption func(*serverConfig)
)

func (f clientOption) client(cfg *clientConfig) { f(cfg) }
func (f serverOption) server(cfg *serverConfig) { f(cfg) }

// ReplayLimit bounds the copy of a request body, in bytes, on a route that resends:
// a body with a declared length of at most n and without GetBody is copied before
// the first attempt. The default is 64 KiB; zero or less never copies.
func ReplayLimit(n int64) ClientOption {
	return clientOption(func(cfg *clientConfig) { cfg.replayLimit = n })
}

// DeadlineSlack is kept back from the time that is announced to the server, so that
// its answer to an exhausted deadline still arrives, and it stops before its caller does.
// The default is a hundredth of what is left, at most 5 ms; zero or less keeps nothing back.
// What has less than a millisecond left beyond the slack is not sent at all.
func DeadlineSlack(d time.Duration) ClientOption {
	return clientOption(func(cfg *clientConfig) { cfg.deadlineSlack = slack.Fixed(d) })
}

// Connection says how endpoints are connected to where policy says nothing (see
// [balance.ConnectionConfig], whose MaxRequests is policy's alone). It has no effect
// without a Source, nor with a base that is not an *http.Transport. What cfg leaves open
// is as the base has it, else the default.
func Connection(cfg balance.ConnectionConfig) ClientOption {
	return clientOption(func(c *clientConfig) { c.connection = cfg.Or(c.connection) })
}

// ConnectTimeout bounds connecting to one address of an endpoint, handshake not
// included (that is the base's TLSHandshakeTimeout), where policy says nothing. The
// default is 1 s; zero or less leaves it to the base's own dialer. It has no effect
// without a Source, nor with a base that is not an *http.Transport.
func ConnectTimeout(d time.Duration) ClientOption {
	if d <= 0 {
		d = -1
	}
	return clientOption(func(cfg *clientConfig) { cfg.connection.ConnectTimeout = d })
}

// EndOnCancel ends a call for its gates and telemetry as soon as the caller's
// context ends, even if the answer's body is neither read nor closed any more. It
// costs two allocations a call. Without it a body that the caller forgot stays in
// flight for ever.
func EndOnCancel() ClientOption {
	return clientOption(func(cfg *clientConfig) { cfg.endOnCancel = true })
}

// MaxDeadline is the longest time that the server believes a caller; a longer
// announcement is cut to it. Zero or less is the default, 5 minutes.
func MaxDeadline(d time.Duration) ServerOption {
	return serverOption(func(cfg *serverConfig) {
		if d > 0 {
			cfg.maxDeadline = d
		}
	})
}

// PeerIdentity says how the identity of a caller is read from its connection. It is
// called once for each connection over TLS, seldom more often, and returns "" for none. The default takes the
// one URI SAN of a certificate that crypto/tls has verified, as with package mtls; a
// server whose tls.Config verifies by itself (RequireAnyClientCert and a
// VerifyConnection) names its own reader here.
func PeerIdentity(f func(*tls.ConnectionState) string) ServerOption {
	return serverOption(func(cfg *serverConfig) {
		if f != nil {
			cfg.identity = f
		}
	})
}

// DeadlineHeader names the header that carries the time a caller still has, in
// milliseconds. The default is [DefaultDeadlineHeader]; "" turns the propagation
// off.
func DeadlineHeader(name string) Option {
	return deadlineOption(textproto.CanonicalMIMEHeaderKey(name))
}

type deadlineOption string

func (o deadlineOption) client(cfg *clientConfig) { cfg.deadlineHeader = string(o) }
func (o deadlineOption) server(cfg *serverConfig) { cfg.deadlineHeader = string(o) }
