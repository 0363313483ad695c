// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"errors"
	"io"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ads is the aggregated discovery service: in the state-of-the-world form, which
// gRPC's clients use, and in the incremental one.
type ads struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	server *Server
}

// message is what a client says, in either form.
type message interface {
	GetNode() *corev3.Node
	resumed() bool          // the client had something from an earlier stream
	to(sess *session) error // an error ends the stream
}

// StreamAggregatedResources serves one client.
func (a *ads) StreamAggregatedResources(st discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	var lists [kinds]listing
	return a.server.stream(st, func() message { return &request{last: &lists, most: a.server.cfg.Limits.Names} })
}

// DeltaAggregatedResources serves one client of the incremental form.
func (a *ads) DeltaAggregatedResources(st discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return a.server.stream(st, func() message { return &change{} })
}

// stream serves one stream, whose messages are made by empty.
func (s *Server) stream(st grpc.ServerStream, empty func() message) error {
	conn := connOf(st.Context())
	first := empty()
	if err := st.RecvMsg(first); err != nil {
		return ended(err)
	}
	node, err := nodeOf(first.GetNode(), conn.peer, s.cfg.Limits)
	if err != nil {
		s.cfg.Log.Warn("xds: a stream is refused", "peer", conn.peer.Addr, "uid", conn.peer.UID, "error", err)
		return status.Errorf(codes.InvalidArgument, "xds: %v", err)
	}
	node.Resumed = first.resumed()
	ctx, cancel := context.WithCancelCause(st.Context())
	defer cancel(nil)
	sess := s.begin(node, conn)
	s.loops.Go(func() {
		defer s.end(sess)
		defer sess.close()
		cancel(s.receive(ctx, st, sess, first, empty))
	})
	err = s.send(ctx, st, sess, conn)
	var slow slowError
	if errors.As(err, &slow) {
		s.cfg.counts.cut.Add(1)
		s.cfg.Log.Warn("xds: a slow client is cut", "node", node.ID, "error", err)
		conn.cut()
		return status.Error(codes.Unavailable, err.Error())
	}
	return ended(err)
}

// receive takes requests until the stream ends.
func (s *Server) receive(ctx context.Context, st grpc.ServerStream, sess *session, req message, empty func() message) error {
	select {
	case <-s.cfg.Catalog.Ready():
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	for {
		if err := req.to(sess); err != nil {
			s.cfg.Log.Warn("xds: a stream is ended", "node", sess.node.ID, "error", err)
			return err
		}
		req = empty()
		if err := st.RecvMsg(req); err != nil {
			return err
		}
	}
}

// send writes what the session has to say, until ctx ends.
func (s *Server) send(ctx context.Context, st grpc.ServerStream, sess *session, conn connInfo) error {
	guard := time.AfterFunc(time.Hour, func() {
		s.cfg.counts.cut.Add(1)
		s.cfg.Log.Warn("xds: a client that does not read is cut", "node", sess.node.ID)
		conn.cut()
	})
	guard.Stop()
	defer guard.Stop()
	alarm := time.NewTimer(time.Hour)
	alarm.Stop()
	defer alarm.Stop()
	for {
		now := time.Now()
		r, at, err := sess.next(now)
		if err != nil {
			return err
		}
		if r != nil {
			guard.Reset(s.cfg.Slow)
			err := st.SendMsg(r)
			guard.Stop()
			if err != nil {
				return err
			}
			continue
		}
		if !at.IsZero() {
			alarm.Reset(at.Sub(now))
		}
		select {
		case <-sess.wake:
			alarm.Stop()
		case <-alarm.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ended is the status of a stream that ended by err: a client that hangs up is no
// failure.
func ended(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
