// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Readiness is what a health service tells: *mesh.Health is one. Ready reports whether
// calls should come here, and a channel that is closed when that may have changed;
// Draining is closed when the process begins to finish what it has.
type Readiness interface {
	Ready() (ready bool, changed <-chan struct{})
	Draining() <-chan struct{}
}

// HealthServer is grpc's health service (grpc.health.v1) over a Readiness. See
// [RegisterHealth].
type HealthServer struct {
	healthpb.UnimplementedHealthServer
	server *grpc.Server
	ready  Readiness
}

// RegisterHealth registers the health service with s, before it serves: SERVING for
// the whole server (the service "") and for each service registered with it while r is
// ready, NOT_SERVING otherwise. A Watch hears of each change and ends, as
// Unavailable, when r drains: an open one would hold up grpc's GracefulStop until its
// deadline. [Graceful] registers it by itself.
func RegisterHealth(s *grpc.Server, r Readiness) *HealthServer {
	h := &HealthServer{server: s, ready: r}
	healthpb.RegisterHealthServer(s, h)
	return h
}

var errDraining = status.Error(codes.Unavailable, "meshgrpc: the server is draining")

// Check is the health of a service now; NotFound for one that the server does not
// have.
func (h *HealthServer) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if !h.has(in.GetService()) {
		return nil, status.Errorf(codes.NotFound, "meshgrpc: no service %q", in.GetService())
	}
	now, _ := h.now()
	return &healthpb.HealthCheckResponse{Status: now}, nil
}

// List is the health of all services.
func (h *HealthServer) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	now, _ := h.now()
	all := map[string]*healthpb.HealthCheckResponse{"": {Status: now}}
	for name := range h.server.GetServiceInfo() {
		all[name] = &healthpb.HealthCheckResponse{Status: now}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch tells the health of a service now and at each change, until the caller leaves or
// the server drains.
func (h *HealthServer) Watch(in *healthpb.HealthCheckRequest, ss grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	has := h.has(in.GetService())
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		now, changed := h.now()
		if !has {
			now = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if now != last {
			if err := ss.Send(&healthpb.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-changed:
		case <-ss.Context().Done():
			return status.FromContextError(ss.Context().Err()).Err()
		case <-h.ready.Draining():
			return errDraining
		}
	}
}

func (h *HealthServer) now() (healthpb.HealthCheckResponse_ServingStatus, <-chan struct{}) {
	ready, changed := h.ready.Ready()
	if ready {
		return healthpb.HealthCheckResponse_SERVING, changed
	}
	return healthpb.HealthCheckResponse_NOT_SERVING, changed
}

func (h *HealthServer) has(service string) bool {
	if service == "" {
		return true
	}
	_, ok := h.server.GetServiceInfo()[service]
	return ok
}
