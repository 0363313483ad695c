// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/enmesh-go/enmesh/internal/flood"
)

// What a server with [Server.Options] allows its clients where no option says otherwise.
// grpc-go's own defaults are 16 MiB of header, streams without number, 120 s for a
// handshake, and windows that grow to 16 MiB.
const (
	DefaultMaxHeader        = 8 << 10         // bytes of a call's metadata, uncompressed
	DefaultMaxMessage       = 4 << 20         // bytes of a message, decompressed
	DefaultMaxStreams       = 100             // calls at once over one connection
	DefaultHandshakeTimeout = 5 * time.Second // from TCP's to HTTP/2's
	DefaultPingInterval     = 10 * time.Second
	DefaultStreamWindow     = 64 << 10 // bytes that a client may send ahead, on a stream
	DefaultConnectionWindow = 1 << 20  // and on a connection
	DefaultFloodRate        = 1000     // frames a second that make work for nothing
	DefaultFloodBurst       = 1000     // and at once
)

// How long a client may be silent, and take to answer a ping then.
const (
	serverPing    = 9 * time.Second
	serverPingEnd = 6 * time.Second
)

// serverLimits is what a server bounds.
type serverLimits struct {
	header, streams    uint32
	message            int
	handshake          time.Duration
	age, grace, idle   time.Duration // 0: for ever
	pings              time.Duration
	streamWin, connWin int32 // 0: grpc's own, which grow
	connections        int
	rate               flood.Rate
	told               func(c net.Conn, what string)
}

func defaultLimits() serverLimits {
	return serverLimits{
		header: DefaultMaxHeader, message: DefaultMaxMessage, streams: DefaultMaxStreams,
		handshake: DefaultHandshakeTimeout, pings: DefaultPingInterval,
		streamWin: DefaultStreamWindow, connWin: DefaultConnectionWindow,
		rate: flood.Rate{PerSecond: DefaultFloodRate, Burst: DefaultFloodBurst},
	}
}

// options are the limits as grpc knows them.
func (l *serverLimits) options() []grpc.ServerOption {
	opts := []grpc.ServerOption{
		grpc.MaxHeaderListSize(l.header),
		grpc.MaxRecvMsgSize(l.message),
		grpc.MaxConcurrentStreams(l.streams),
		grpc.ConnectionTimeout(l.handshake),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: l.pings, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: serverPing, Timeout: serverPingEnd,
			MaxConnectionIdle: l.idle, MaxConnectionAge: l.age, MaxConnectionAgeGrace: l.grace,
		}),
	}
	if l.streamWin > 0 {
		opts = append(opts, grpc.StaticStreamWindowSize(l.streamWin), grpc.StaticConnWindowSize(l.connWin))
	}
	return opts
}

// positive is n, or the default where n is zero or less.
func positive[T int | time.Duration](n, otherwise T) T {
	if n <= 0 {
		return otherwise
	}
	return n
}

// optional is n, the default where n is zero, and zero, for none, where it is negative.
func optional[T int | int32 | time.Duration](n, otherwise T) T {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return 0
	}
	return n
}

// WithMaxHeader bounds the metadata of a call, in bytes, uncompressed, with 32 for each of
// its fields. A call with more ends before any handler or policy sees it. Zero is the
// default, 8 KiB.
func WithMaxHeader(bytes uint32) ServerOption {
	return serverOption(func(s *Server) {
		if s.limits.header = bytes; bytes == 0 {
			s.limits.header = DefaultMaxHeader
		}
	})
}

// WithMaxMessage bounds a message that is received, in bytes, also when it has been
// decompressed: a call with a longer one fails as ResourceExhausted, and no more than the
// bound is held of it. Zero or less is the default, 4 MiB.
func WithMaxMessage(bytes int) ServerOption {
	return serverOption(func(s *Server) { s.limits.message = positive(bytes, DefaultMaxMessage) })
}

// WithMaxStreams bounds the calls that one connection has at once; clients keep more
// waiting. Zero is the default, 100.
func WithMaxStreams(n uint32) ServerOption {
	return serverOption(func(s *Server) {
		if s.limits.streams = n; n == 0 {
			s.limits.streams = DefaultMaxStreams
		}
	})
}

// WithHandshakeTimeout bounds the time from a connection's coming to the end of its
// handshakes, that of TLS and that of HTTP/2. Zero or less is the default, 5 s.
func WithHandshakeTimeout(d time.Duration) ServerOption {
	return serverOption(func(s *Server) { s.limits.handshake = positive(d, DefaultHandshakeTimeout) })
}

// WithConnectionAge has the server ask clients, by GOAWAY, to use another connection after
// age, give or take a tenth, and ends what is still in flight after grace more; grace zero
// or less lets it finish. Zero or less keeps connections for ever, the default: after its
// GOAWAY grpc does not ping the client any more, so that a stream that goes on does not
// find the death of either side. Clients of the mesh have an age of their own.
func WithConnectionAge(age, grace time.Duration) ServerOption {
	return serverOption(func(s *Server) { s.limits.age, s.limits.grace = max(age, 0), max(grace, 0) })
}

// WithConnectionIdle has the server close connections that have no call for so long, by
// GOAWAY. Zero or less keeps them, the default: clients of gRPC hold connections ready.
func WithConnectionIdle(d time.Duration) ServerOption {
	return serverOption(func(s *Server) { s.limits.idle = max(d, 0) })
}

// WithPingInterval is the least time between two pings of a client: one that pings more
// often, three times in a row, is told ENHANCE_YOUR_CALM. Zero or less is the default, 10 s.
func WithPingInterval(d time.Duration) ServerOption {
	return serverOption(func(s *Server) { s.limits.pings = positive(d, DefaultPingInterval) })
}

// WithWindows sets how many bytes a client may send before the handlers have read them: on
// one stream, where a message that is longer gets the room it needs, and on a connection.
// 64 KiB is the least of both. Larger ones let streams of messages go faster over long
// paths. Zeros are the defaults, 64 KiB and 1 MiB; a negative stream is grpc's own windows,
// which grow with the path up to 16 MiB.
func WithWindows(stream, connection int32) ServerOption {
	return serverOption(func(s *Server) {
		s.limits.streamWin = optional(stream, DefaultStreamWindow)
		s.limits.connWin = optional(max(connection, 0), DefaultConnectionWindow)
	})
}

// WithMaxConnections bounds how many connections the server has at once: one more is closed
// as soon as it has come. Zero or less is no bound, the default.
func WithMaxConnections(n int) ServerOption {
	return serverOption(func(s *Server) { s.limits.connections = max(n, 0) })
}

// WithFloodLimit is how many frames a client may send that make the server work for
// nothing: calls that it resets, or makes the server reset, SETTINGS, PING, WINDOW_UPDATE
// and PRIORITY out of proportion to what it gets, DATA of less than five bytes,
// CONTINUATION. More than burst at once, or than perSecond for long, end the connection
// with ENHANCE_YOUR_CALM; from a sixteenth of burst on it is read more slowly, so that this
// takes 0.7 s and leaves time for others. A call that the server has answered to its end
// makes up for a quarter of a frame, so that a client that cancels one call in five stays
// within bounds at any rate. Zeros are the defaults, 1000 and 1000; a burst below zero counts
// nothing.
func WithFloodLimit(perSecond, burst int) ServerOption {
	return serverOption(func(s *Server) {
		s.limits.rate.PerSecond = positive(perSecond, DefaultFloodRate)
		s.limits.rate.Burst = optional(burst, DefaultFloodBurst)
	})
}

// WithFloodHook sets what is told of a connection that [WithFloodLimit] ends, and of what it
// had too much ("RST_STREAM frames"). It is called once for each on a goroutine of the
// connection. The default is nobody.
func WithFloodHook(f func(c net.Conn, what string)) ServerOption {
	return serverOption(func(s *Server) { s.limits.told = f })
}
