// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Server serves a [Catalog] to clients of xDS. It is safe for concurrent use.
type Server struct {
	cfg   Config
	grpc  *grpc.Server
	past  history
	boot  string // part of every nonce: a nonce of another process is stale
	seq   atomic.Uint64
	loops sync.WaitGroup

	ctx  context.Context //nolint:containedctx // ends with the server
	stop context.CancelFunc

	mu        sync.Mutex // guards the fields below
	sessions  map[*session]connInfo
	listeners map[net.Listener]struct{}
	leaving   time.Time // when the last stream is to have ended; zero: the server stays
}

// Bounds of a connection.
const (
	maxStreams    = 64       // of one connection, at once
	maxHeaders    = 16 << 10 // bytes
	bufferBytes   = 16 << 10 // of reading and writing
	windowBytes   = 64 << 10 // that a client may send ahead; fixed, or a ping measures each request's way
	handshakeTime = 10 * time.Second
	pingAfter     = 30 * time.Second // of silence
	pingTimeout   = 15 * time.Second
	pingLeast     = 5 * time.Second // between a client's own pings
)

// New makes a server. It serves when [Server.Serve] is called.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	var boot [6]byte
	if _, err := rand.Read(boot[:]); err != nil {
		return nil, fmt.Errorf("xds: %w", err)
	}
	s := &Server{cfg: cfg, boot: hex.EncodeToString(boot[:]), sessions: map[*session]connInfo{}, listeners: map[net.Listener]struct{}{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(
		grpc.Creds(serverCreds{}),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(cfg.Limits.RequestBytes),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.StaticStreamWindowSize(windowBytes),
		grpc.StaticConnWindowSize(windowBytes),
		grpc.ReadBufferSize(bufferBytes),
		grpc.WriteBufferSize(bufferBytes),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingLeast, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, &ads{server: s})
	statusv3.RegisterClientStatusDiscoveryServiceServer(s.grpc, &csds{server: s})
	if cfg.Loads != nil {
		loadv3.RegisterLoadReportingServiceServer(s.grpc, &lrs{server: s})
	}
	return s, nil
}

// Serve serves the connections of l until Close, and closes l. It may be called
// for several listeners. l comes from [ListenUnix], [ListenLoopback] or
// [ListenTLS]; a plain TCP listener is taken when it listens on loopback only, and
// another kind (a pipe within the process) as it is. It returns nil after Close
// or Drain.
func (s *Server) Serve(l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		if _, secure := l.(*tlsListener); !secure && !a.IP.IsLoopback() {
			_ = l.Close()
			return fmt.Errorf("xds: %s is not a loopback address: beyond it only mutual TLS is served", a)
		}
	}
	if !s.track(l) {
		return l.Close()
	}
	err := s.grpc.Serve(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	if err != nil && s.ctx.Err() == nil && s.leaving.IsZero() {
		return fmt.Errorf("xds: %w", err)
	}
	return nil
}

// track notes that l is served, and reports false if the server is about to end.
func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leaving.IsZero() {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

// Close ends all streams and connections and waits until nothing runs any more.
func (s *Server) Close() error {
	s.stop()
	s.grpc.Stop()
	s.loops.Wait()
	return nil
}

// begin makes the session of a stream.
func (s *Server) begin(n *Node, conn connInfo) *session {
	id := s.boot + "-" + strconv.FormatUint(s.seq.Add(1), 10)
	sess := newSession(&s.cfg, n, id, s.past.enter(n))
	s.mu.Lock()
	s.sessions[sess] = conn
	leaving := s.leaving
	s.mu.Unlock()
	s.cfg.counts.streams.Add(1)
	if !leaving.IsZero() {
		dismiss(conn, time.Until(leaving))
	}
	return sess
}

// end forgets a session that is closed.
func (s *Server) end(sess *session) {
	s.mu.Lock()
	delete(s.sessions, sess)
	s.mu.Unlock()
	s.past.leave(sess.node, time.Now())
}
