// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/security/ca"
)

// instance is one server of the service "ratings", with the mesh it serves in.
type instance struct {
	grpc_health_v1.UnimplementedHealthServer
	mesh     *mesh.Mesh
	server   *grpc.Server
	listener net.Listener
	done     chan struct{}
	version  string
}

// start listens on a free loopback port.
func start(ctx context.Context, authority *ca.Development, version string) (*instance, error) {
	identity, err := authority.Source("default", "ratings")
	if err != nil {
		return nil, err
	}
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "ratings", Version: version}),
		mesh.WithCertificates(identity),
	)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	options := append(meshgrpc.NewServer(m.Inbound()).Options(), grpc.Creds(credentials.NewTLS(m.ServerTLS())))
	i := &instance{mesh: m, server: grpc.NewServer(options...), listener: l, done: make(chan struct{}), version: version}
	grpc_health_v1.RegisterHealthServer(i.server, i)
	go func() {
		defer close(i.done)
		_ = i.server.Serve(l)
	}()
	return i, nil
}

// Check answers that all is well, and says in the header who answers whom.
func (i *instance) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	call := enmesh.FromContext(ctx)
	if call == nil || call.Source == nil {
		return nil, status.Error(codes.Unauthenticated, "who are you?")
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", i.version, "caller", call.Source.Identity)); err != nil {
		return nil, err
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// endpoint is what a registry says of the instance. The client accepts no server
// there but one whose certificate names this service account.
func (i *instance) endpoint() discovery.Endpoint {
	return discovery.Endpoint{
		Addrs:          []string{i.listener.Addr().String()},
		Labels:         map[string]string{"version": i.version},
		Namespace:      "default",
		ServiceAccount: "ratings",
	}
}

// stop ends the server, after the calls that it has, and its mesh. A second time it
// does nothing more.
func (i *instance) stop() error {
	i.server.GracefulStop()
	<-i.done
	return i.mesh.Close()
}
