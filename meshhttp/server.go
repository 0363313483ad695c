// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net"
	"net/http"
	"time"

	"github.com/enmesh-go/enmesh/internal/flood"
)

// What a server from [NewServer] allows its clients where no option says otherwise.
const (
	DefaultMaxHeader        = 16 << 10         // bytes of a request's head
	DefaultHeaderTimeout    = 5 * time.Second  // for the TLS handshake, and for each request's head
	DefaultIdleTimeout      = time.Minute      // between the requests of a connection
	DefaultBodyTimeout      = time.Minute      // for the next piece of a request's body
	DefaultStuckTimeout     = 30 * time.Second // for a byte to be written over HTTP/2
	DefaultSilentTimeout    = 30 * time.Second // for a whole frame or head to come over HTTP/2
	DefaultMaxStreams       = 100              // requests at once over one connection of HTTP/2
	DefaultStreamWindow     = 64 << 10         // bytes of a body that a client may send ahead, on a stream
	DefaultConnectionWindow = 1 << 20          // and on a connection of HTTP/2
	DefaultFloodRate        = 1000             // frames of HTTP/2 a second that make work for nothing
	DefaultFloodBurst       = 1000             // and at once
)

// maxFrame is the largest frame of HTTP/2 that is read, in bytes: the least that the
// protocol allows. A larger one is held in memory whole.
const maxFrame = 16 << 10

// limits is what the options of NewServer say.
type limits struct {
	maxHeader                   int
	headerTimeout, idleTimeout  time.Duration
	readTimeout, writeTimeout   time.Duration
	bodyTimeout                 time.Duration
	maxBody                     int64
	maxStreams                  int
	streamWindow, connectWindow int
	maxConnections              int
	rate                        flood.Rate
	told                        func(c net.Conn, what string)
}

// NewServer makes a server around h, as a rule a [Handler], that bounds what one client
// can make it hold or do, and refuses what another server may read differently (see
// [Server]). net/http's own zero values bound nothing but the head, at 1 MiB.
// It speaks HTTP/1.1 and HTTP/2, the latter over TLS and, to clients that begin with it, in
// plaintext. Each limit has an option, and its default beside it; for those that have none
// there is none.
//
// HTTP/2 connections whose client makes the server work for nothing are ended with
// ENHANCE_YOUR_CALM (see [FloodLimit]). One on which no frame and no head has come whole for
// 15 s is asked by a PING whether its client lives, and closed if that is not answered in
// 15 s more; within a head it cannot be. For the count of frames the server has a TLSNextProto of its own,
// and what comes to its hook ConnState as http.StateActive and http.StateIdle of HTTP/2 is
// a connection around the one that came as http.StateNew.
//
// The server is the caller's: set its TLSConfig, ErrorLog and hooks, and hand it to
// [Graceful]. A ConnState hook is to call the one that is there before; NewServer sets one
// only with [MaxConnections].
func NewServer(h http.Handler, opts ...LimitOption) *Server {
	l := newLimits(opts)
	s := &http.Server{
		Handler:           l.around(h),
		MaxHeaderBytes:    l.maxHeader,
		ReadHeaderTimeout: l.headerTimeout,
		IdleTimeout:       l.idleTimeout,
		ReadTimeout:       l.readTimeout,
		WriteTimeout:      l.writeTimeout,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          l.maxStreams,
			MaxReceiveBufferPerConnection: l.connectWindow,
			MaxReceiveBufferPerStream:     l.streamWindow,
			MaxReadFrameSize:              maxFrame,
			WriteByteTimeout:              DefaultStuckTimeout,
			SendPingTimeout:               DefaultSilentTimeout / 2,
			PingTimeout:                   DefaultSilentTimeout / 2,
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	if l.maxConnections > 0 {
		s.ConnState = (&crowd{most: int64(l.maxConnections)}).count
	}
	if l.rate.Burst > 0 {
		watchFrames(s, flood.Config{Rate: l.rate, Told: l.told})
	}
	return &Server{Server: s}
}

// around puts what bounds single requests around h.
func (l *limits) around(h http.Handler) http.Handler {
	if h == nil {
		h = http.DefaultServeMux
	}
	if l.maxBody > 0 {
		h = &bodyLimit{next: h, most: l.maxBody}
	}
	if l.bodyTimeout > 0 && l.readTimeout <= 0 {
		h = &bodyPace{next: h, patience: l.bodyTimeout}
	}
	return h
}
