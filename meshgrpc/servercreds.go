// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/internal/flood"
)

// prefaceLen is how long a client's first words are (RFC 9113, section 3.4).
const prefaceLen = 24

var errCrowded = errors.New("meshgrpc: the server has as many connections as it may")

// WithCredentials makes the server's Options include creds, in place of [WithTLS]. Given
// to grpc with grpc.Creds instead, they take the place of what counts the frames above TLS
// (see [WithFloodLimit]) and the connections.
func WithCredentials(creds credentials.TransportCredentials) ServerOption {
	return serverOption(func(s *Server) { s.creds = creds })
}

// transport is what the connections of the server are made with.
func (s *Server) transport() credentials.TransportCredentials {
	g := &guardedCredentials{limits: &s.limits}
	switch {
	case s.creds != nil:
		g.TransportCredentials = s.creds
	case s.shaken:
		g.TransportCredentials = newListenerCredentials()
	case s.tls != nil:
		g.TransportCredentials = credentials.NewTLS(s.tls)
	default:
		g.TransportCredentials, g.plain = insecure.NewCredentials(), true
	}
	return g
}

// guardedCredentials counts a server's connections, and has their frames counted, above
// TLS.
type guardedCredentials struct {
	credentials.TransportCredentials
	plain  bool // there is nothing to know of a client
	limits *serverLimits
	now    atomic.Int64 // connections
}

// ServerHandshake returns when the client has begun to speak HTTP/2: grpc holds buffers of
// 64 KiB from then on. The time for that is grpc's, see [WithHandshakeTimeout].
func (g *guardedCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c := &counted{now: &g.now}
	if n := g.now.Add(1); g.limits.connections > 0 && n > int64(g.limits.connections) {
		c.leave()
		return nil, nil, errCrowded
	}
	var info credentials.AuthInfo
	var err error
	c.Conn, info, err = g.TransportCredentials.ServerHandshake(raw)
	if err == nil {
		_, err = io.ReadFull(c.Conn, c.first[:])
	}
	if err != nil {
		c.leave()
		return nil, nil, err
	}
	if g.plain {
		info = nil
	}
	if g.limits.rate.Burst == 0 {
		return c, info, nil
	}
	return flood.Guard(c, flood.Config{Rate: g.limits.rate, Preface: true, Told: g.limits.told}), info, nil
}

// Clone is of the same server.
func (g *guardedCredentials) Clone() credentials.TransportCredentials { return g }

// counted is a connection whose first bytes were read, and that is counted until it is
// closed.
type counted struct {
	net.Conn
	first [prefaceLen]byte
	read  int // of first
	now   *atomic.Int64
	once  sync.Once
}

func (c *counted) Read(p []byte) (int, error) {
	if c.read < prefaceLen {
		n := copy(p, c.first[c.read:])
		c.read += n
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close closes it.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}

func (c *counted) leave() { c.once.Do(func() { c.now.Add(-1) }) }
