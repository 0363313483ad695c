// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/meshgrpc"
)

// serveMeshGRPC is grpc-go with enmesh's server options. They take as many calls over the one
// connection as their baseline does: the default is 100.
func serveMeshGRPC(open func(context.Context, Env) (*node, error)) func(context.Context, Env) (Server, error) {
	return func(ctx context.Context, env Env) (Server, error) {
		n, err := open(ctx, env)
		if err != nil {
			return nil, err
		}
		return startGRPC(ctx, n.release, meshgrpc.NewServer(n.router, meshgrpc.WithTLS(n.tls), meshgrpc.WithMaxStreams(maxConcurrency)).Options()...)
	}
}

// dialMeshGRPC is grpc-go with enmesh's dial options.
func dialMeshGRPC(open func(context.Context, Env, string) (*node, error)) func(context.Context, Env, string) (Client, error) {
	return func(ctx context.Context, env Env, addr string) (Client, error) {
		n, err := open(ctx, env, addr)
		if err != nil {
			return nil, err
		}
		conn, err := grpc.NewClient("enmesh:///"+service, meshgrpc.NewClient(n.router, n.source).DialOptions()...)
		if err != nil {
			return nil, errors.Join(err, n.release())
		}
		return &grpcClient{conn, 0, n.release}, nil
	}
}
