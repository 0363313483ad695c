// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"errors"
	"io"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ads is the aggregated discovery service, in the state-of-the-world form that
// gRPC's clients use.
type ads struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	server *Server
}

type adsStream = discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer

// StreamAggregatedResources serves one client.
func (a *ads) StreamAggregatedResources(st adsStream) error {
	s := a.server
	conn := connOf(st.Context())
	var lists [kinds]listing
	first := &request{last: &lists, most: s.cfg.Limits.Names}
	if err := st.RecvMsg(first); err != nil {
		return ended(err)
	}
	node, err := nodeOf(first.GetNode(), conn.peer, s.cfg.Limits)
	if err != nil {
		s.cfg.Log.Warn("xds: a stream is refused", "peer", conn.peer.Addr, "uid", conn.peer.UID, "error", err)
		return status.Errorf(codes.InvalidArgument, "xds: %v", err)
	}
	node.Resumed = first.GetVersionInfo() != ""
	ctx, cancel := context.WithCancelCause(st.Context())
	defer cancel(nil)
	sess := s.begin(node, conn)
	s.loops.Go(func() {
		defer s.end(sess)
		defer sess.close()
		cancel(s.receive(ctx, st, sess, first))
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
func (s *Server) receive(ctx context.Context, st adsStream, sess *session, req *request) error {
	select {
	case <-s.cfg.Catalog.Ready():
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	for {
		if err := sess.request(req); err != nil {
			s.cfg.Log.Warn("xds: a stream is ended", "node", sess.node.ID, "error", err)
			return err
		}
		req = &request{last: req.last, most: req.most}
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
