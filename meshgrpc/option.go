// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"crypto/tls"
	"time"

	"google.golang.org/grpc/keepalive"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/slack"
)

// ClientOption is an option of [NewClient].
type ClientOption interface{ client(*Client) }

// ServerOption is an option of [NewServer].
type ServerOption interface{ server(*Server) }

type clientOption func(*Client)

func (o clientOption) client(c *Client) { o(c) }

type serverOption func(*Server)

func (o serverOption) server(s *Server) { o(s) }

// WithConnection says how endpoints are connected to where policy says nothing (see
// [balance.ConnectionConfig], whose fields for HTTP have no meaning here, and whose
// MaxRequests is policy's alone).
func WithConnection(cfg balance.ConnectionConfig) ClientOption {
	return clientOption(func(c *Client) { c.connection = cfg })
}

// WithKeepalive has grpc's own keepalive look after connections, in place of this
// package's pings (see the package's comment). Servers that keep grpc-go's default policy
// close connections, with their calls, that ping more often than every 5 minutes while
// they have nothing to send.
func WithKeepalive(p keepalive.ClientParameters) ClientOption {
	return clientOption(func(c *Client) { c.keepalive, c.ownKeepalive = p, true })
}

// WithAnswerHeaders shows policies the header of unary answers, as
// Call.Answer.Header, also when the caller does not ask for it with grpc.Header. It
// costs allocations on every call; the default is not to.
func WithAnswerHeaders() ClientOption {
	return clientOption(func(c *Client) { c.answerHeaders = true })
}

// WithTLS makes the server's Options include transport credentials of cfg, which is
// given the ALPN protocol "h2" when it lacks it. The default is plaintext, or what
// the program gives with grpc.Creds.
func WithTLS(cfg *tls.Config) ServerOption {
	return serverOption(func(s *Server) { s.tls = cfg })
}

// WithDeadlineSlack is kept back from the time that the server is told, so that its answer to
// an exhausted deadline still arrives, and it stops before its caller does. The default is a
// hundredth of what is left, at most 5 ms; zero or less keeps nothing back. What has less than
// a millisecond left beyond the slack is not sent at all.
func WithDeadlineSlack(d time.Duration) ClientOption {
	return clientOption(func(c *Client) { c.slack = slack.Fixed(d) })
}

// WithMaxDeadline is the longest time that the server believes a caller of a unary method; a
// longer announcement is cut to it. Zero or less is the default, 5 minutes. A stream has the
// time that its caller gives it, which is for the whole of it; see timeout.Idle.
func WithMaxDeadline(d time.Duration) ServerOption {
	return serverOption(func(s *Server) { s.maxDeadline = positive(d, DefaultMaxDeadline) })
}

// WithIdentity sets how a server reads the caller's verified identity from its TLS
// connection; f returns "" for none, and is called for every call. The default
// takes the URI SAN of a client certificate that was verified (VerifiedChains is
// set) and has exactly one.
func WithIdentity(f func(*tls.ConnectionState) string) ServerOption {
	return serverOption(func(s *Server) { s.identity = f })
}

// WithStreamWorkers sets how many goroutines of the server serve one call after another;
// calls beyond them get goroutines of their own. A new goroutine has to grow its stack
// for every call, which a chain of policies makes deeper. The default is 16 for each
// of GOMAXPROCS, which keep some 8 KiB each; 0 turns them off.
func WithStreamWorkers(n uint32) ServerOption {
	return serverOption(func(s *Server) { s.workers = n })
}

// WithPanicHook sets what is told of a handler's or policy's panic, whose text and
// stack the caller never sees. The default logs both with slog.Default.
func WithPanicHook(f func(ctx context.Context, method string, value any, stack []byte)) ServerOption {
	return serverOption(func(s *Server) { s.onPanic = f })
}
