// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/security/mtls"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

// service is the name that clients call.
const service = "echo"

// node is what an adapter needs of a process: a mesh, or no more than the core.
type node struct {
	router  enmesh.Router
	source  balance.Source
	tls     *tls.Config
	release func() error
}

// endpoint is the server at addr, as a registry tells it.
func endpoint(addr string) discovery.Endpoint {
	return discovery.Endpoint{
		Addrs: []string{addr}, Labels: map[string]string{"app": service, "version": "v1"},
		Namespace: namespace, ServiceAccount: serverAccount,
	}
}

// openMesh opens a mesh with all that bookinfo has: metrics and edges on both sides,
// and trace contexts, which a mesh hands on by default. The wire says whether it has
// certificates.
func openMesh(ctx context.Context, env Env, account string, over wire, opts ...mesh.Option) (*mesh.Mesh, func() error, error) {
	opts = append([]mesh.Option{
		mesh.WithWorkload(mesh.Workload{Service: account, ServiceAccount: account, Version: "v1"}),
		mesh.WithTelemetry(edges.New(edges.Config{})),
	}, opts...)
	if over == plain {
		m, err := mesh.Open(ctx, opts...)
		if err != nil {
			return nil, nil, err
		}
		return m, m.Close, nil
	}
	files, err := env.identity(account)
	if err != nil {
		return nil, nil, err
	}
	m, err := mesh.Open(ctx, append(opts, mesh.WithCertificates(files))...)
	if err != nil {
		return nil, nil, errors.Join(err, files.Close())
	}
	return m, func() error { return errors.Join(m.Close(), files.Close()) }, nil
}

// openClient is the mesh of the calling process; routes names its policy.
func openClient(over wire, routes string) func(context.Context, Env, string) (*node, error) {
	return func(ctx context.Context, env Env, addr string) (*node, error) {
		registry := discovery.NewMemory()
		registry.Set(service, endpoint(addr))
		m, release, err := openMesh(ctx, env, clientAccount, over, mesh.WithResolver(registry), mesh.WithPolicies(env.policies(routes)...))
		if err != nil {
			return nil, err
		}
		return &node{router: m.Outbound(), source: m, release: release}, nil
	}
}

// The server's limits are far above the load: they are there to be asked.
const (
	serverRate     = 1e6
	serverInFlight = 1 << 20
)

// openServer is the mesh of the answering process.
func openServer(over wire) func(context.Context, Env) (*node, error) {
	return func(ctx context.Context, env Env) (*node, error) {
		bucket, err := limit.NewTokenBucket(limit.Config{Rate: serverRate})
		if err != nil {
			return nil, err
		}
		inFlight, err := concurrency.NewFixed(concurrency.Config{Max: serverInFlight})
		if err != nil {
			return nil, err
		}
		m, release, err := openMesh(ctx, env, serverAccount, over, mesh.WithInbound(bucket.Middleware(), enmesh.Guard(inFlight)))
		if err != nil {
			return nil, err
		}
		return &node{router: m.Inbound(), tls: m.ServerTLS(), release: release}, nil
	}
}

// secured is a source whose endpoints are dialled with one configuration.
type secured struct {
	balance.Source
	cfg *tls.Config
}

func (s secured) ClientTLS(*balance.Endpoint) *tls.Config { return s.cfg }

// coreClient is the adapters and the balancer, and no policy.
func coreClient(_ context.Context, env Env, addr string) (*node, error) {
	cfg, release, err := env.clientTLS()
	if err != nil {
		return nil, err
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{service: {endpoint(addr)}}, balance.LeastRequest(2))
	return &node{router: enmesh.Fixed(false), source: secured{source, cfg}, release: release}, nil
}

// coreServer is the adapters, and no policy.
func coreServer(_ context.Context, env Env) (*node, error) {
	files, err := env.identity(serverAccount)
	if err != nil {
		return nil, err
	}
	return &node{router: enmesh.Fixed(false), tls: mtls.Server(files), release: files.Close}, nil
}
