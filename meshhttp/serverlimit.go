// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net"
	"time"

	"github.com/enmesh-go/enmesh/internal/flood"
)

// LimitOption is an option of [NewServer].
type LimitOption interface{ limit(*limits) }

type limitOption func(*limits)

func (o limitOption) limit(l *limits) { o(l) }

func newLimits(opts []LimitOption) *limits {
	l := &limits{
		maxHeader:     DefaultMaxHeader,
		headerTimeout: DefaultHeaderTimeout,
		idleTimeout:   DefaultIdleTimeout,
		bodyTimeout:   DefaultBodyTimeout,
		maxStreams:    DefaultMaxStreams,
		streamWindow:  DefaultStreamWindow,
		connectWindow: DefaultConnectionWindow,
		rate:          flood.Rate{PerSecond: DefaultFloodRate, Burst: DefaultFloodBurst},
	}
	for _, o := range opts {
		o.limit(l)
	}
	return l
}

// positive is n, or the default where n is zero or less.
func positive[T int | int64 | time.Duration](n, otherwise T) T {
	if n <= 0 {
		return otherwise
	}
	return n
}

// optional is n, the default where n is zero, and zero, for none, where it is negative.
func optional[T int | int64 | time.Duration](n, otherwise T) T {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return 0
	}
	return n
}

// MaxHeader bounds the head of a request: its line and header, in bytes, to which net/http
// adds some 4 KiB of its own. A longer one is answered with 431, and over HTTP/1.1 the
// connection is closed. Zero or less is the default, 16 KiB.
func MaxHeader(bytes int) LimitOption {
	return limitOption(func(l *limits) { l.maxHeader = positive(bytes, DefaultMaxHeader) })
}

// HeaderTimeout bounds the TLS handshake, and the time from a request's first byte to the
// end of its header over HTTP/1.1. Zero or less is the default, 5 s. Over HTTP/2, where one
// connection has many requests, [DefaultSilentTimeout] bounds the header.
func HeaderTimeout(d time.Duration) LimitOption {
	return limitOption(func(l *limits) { l.headerTimeout = positive(d, DefaultHeaderTimeout) })
}

// IdleTimeout is how long a connection without a request is kept. It is to be longer than
// clients keep theirs: a request that is written as the server closes is lost. Zero is the
// default, 1 minute; less keeps them for ever.
func IdleTimeout(d time.Duration) LimitOption {
	return limitOption(func(l *limits) {
		if l.idleTimeout = optional(d, DefaultIdleTimeout); l.idleTimeout == 0 {
			l.idleTimeout = -1 // net/http takes zero for ReadTimeout, and that for the header's
		}
	})
}

// BodyTimeout bounds how long a handler waits for the next piece of a request's body, not
// how long all of it takes. A read that takes longer fails, and the connection is closed
// when the handler has returned. A handler that sets read deadlines of its own
// (http.ResponseController) needs a negative one. Zero is the default, 1 minute; less
// waits for ever.
func BodyTimeout(d time.Duration) LimitOption {
	return limitOption(func(l *limits) { l.bodyTimeout = optional(d, DefaultBodyTimeout) })
}

// ReadTimeout bounds a whole request from its first byte to the end of its body, in place
// of [BodyTimeout]. It cuts uploads and streams that take longer; the default is none.
func ReadTimeout(d time.Duration) LimitOption {
	return limitOption(func(l *limits) { l.readTimeout = max(d, 0) })
}

// WriteTimeout bounds an answer from the end of the request's header to its last byte. It
// cuts downloads, streams and server-sent events that take longer, and the default is none;
// without it a client that does not read holds its handler. Over HTTP/2 a connection that
// takes no byte at all for 30 s is closed in any case.
func WriteTimeout(d time.Duration) LimitOption {
	return limitOption(func(l *limits) { l.writeTimeout = max(d, 0) })
}

// MaxBody bounds a request's body, in bytes as they come over the wire. One that declares
// more is answered with 413 before the handler runs; one that turns out longer fails to be
// read, with an *http.MaxBytesError, and its connection is closed. The default is none.
func MaxBody(bytes int64) LimitOption {
	return limitOption(func(l *limits) { l.maxBody = max(bytes, 0) })
}

// MaxStreams bounds the requests that one HTTP/2 connection has at once. Zero or less is
// the default, 100.
func MaxStreams(n int) LimitOption {
	return limitOption(func(l *limits) { l.maxStreams = positive(n, DefaultMaxStreams) })
}

// Windows are how many bytes of bodies an HTTP/2 client may send before the handlers have
// read them: on one stream, and on a connection, which cannot be less than 64 KiB. Larger
// ones let an upload over a long path go faster: one stream carries at most a window for
// each round trip. Zero or less are the defaults, 64 KiB and 1 MiB.
func Windows(stream, connection int) LimitOption {
	return limitOption(func(l *limits) {
		l.streamWindow = positive(stream, DefaultStreamWindow)
		l.connectWindow = positive(connection, DefaultConnectionWindow)
	})
}

// MaxConnections bounds how many connections the server has at once: one more is closed as
// soon as it has come. Those that handlers took over do not count. The default is none; the
// limit on open files is then the operating system's.
func MaxConnections(n int) LimitOption {
	return limitOption(func(l *limits) { l.maxConnections = max(n, 0) })
}

// FloodLimit is how many frames an HTTP/2 client may send that make the server work for
// nothing: streams that it resets, or makes the server reset, SETTINGS, PING, WINDOW_UPDATE
// and PRIORITY out of proportion to what it gets, DATA of less than five bytes,
// CONTINUATION. More than burst at once, or than perSecond for long, end the connection
// with ENHANCE_YOUR_CALM; from a sixteenth of burst on it is read more slowly, so that this
// takes 0.7 s and leaves time for others. A stream that the server has answered to its end
// makes up for a quarter of a frame, so that a client that cancels one call in five stays
// within bounds at any rate. Zeros are the defaults, 1000 and 1000; a burst below zero counts
// nothing.
func FloodLimit(perSecond, burst int) LimitOption {
	return limitOption(func(l *limits) {
		l.rate.PerSecond = positive(perSecond, DefaultFloodRate)
		l.rate.Burst = optional(burst, DefaultFloodBurst)
	})
}

// FloodHook sets what is told of an HTTP/2 connection that [FloodLimit] ends, and of what it
// had too much ("RST_STREAM frames"). It is called once for each on the connection's
// goroutine. The default is nobody.
func FloodHook(f func(c net.Conn, what string)) LimitOption {
	return limitOption(func(l *limits) { l.told = f })
}
