// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// stopTime is how long Shutdown waits for handlers whose calls were cut.
const stopTime = time.Second

// GracefulServer is a *grpc.Server whose end has a deadline. See [Graceful].
type GracefulServer struct {
	server *grpc.Server
	ending *ending // nil: no health service of ours
}

// Graceful makes a server for mesh.Run of s, and registers the health service of r
// with it (see [RegisterHealth]), unless r is nil or s has one already. Call it after
// the program's services were registered or before, but before s serves.
func Graceful(s *grpc.Server, r Readiness) *GracefulServer {
	g := &GracefulServer{server: s}
	if _, has := s.GetServiceInfo()[healthpb.Health_ServiceDesc.ServiceName]; r != nil && !has {
		g.ending = newEnding(r)
		RegisterHealth(s, g.ending)
	}
	return g
}

// Serve serves l until Shutdown or Close, and then returns nil.
func (g *GracefulServer) Serve(l net.Listener) error { return g.server.Serve(l) }

// Shutdown says that the server is not serving, ends the watches of its health, takes
// no new connections and streams, which it tells clients by GOAWAY, and waits for the
// calls in flight. When ctx ends first, it cuts them, waits a second for their
// handlers, and returns the context's error.
//
// No hint goes before: a client learns of GOAWAY before it could lose a call by it, and
// sends what the server has not taken elsewhere.
func (g *GracefulServer) Shutdown(ctx context.Context) error {
	if g.ending != nil {
		g.ending.begin()
	}
	done := make(chan struct{})
	go func() { defer close(done); g.server.GracefulStop() }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	go g.server.Stop() // it waits too, for handlers that may never return
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
	return ctx.Err()
}

// Close cuts all calls and closes all connections. It does not wait for handlers.
func (g *GracefulServer) Close() error {
	go g.server.Stop() // it waits where grpc.WaitForHandlers was given
	return nil
}

// ending is a Readiness that also ends with its server.
type ending struct {
	Readiness
	once sync.Once
	done chan struct{} // closed when either ends
}

func newEnding(r Readiness) *ending { return &ending{Readiness: r, done: make(chan struct{})} }

func (e *ending) begin() { e.once.Do(func() { close(e.done) }) }

// Ready is false from the end on.
func (e *ending) Ready() (ready bool, changed <-chan struct{}) {
	ready, changed = e.Readiness.Ready()
	select {
	case <-e.done:
		return false, changed
	default:
		return ready, changed
	}
}

// Draining is closed when the server ends, as it is by mesh.Run when the process
// drains.
func (e *ending) Draining() <-chan struct{} { return e.done }
