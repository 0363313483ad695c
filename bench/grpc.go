// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echoMethod answers with what it was sent.
const echoMethod = "/enmesh.bench.Echo/Call"

// echo describes the one service of the bench: no generated code is needed for it.
var echo = grpc.ServiceDesc{
	ServiceName: "enmesh.bench.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Call", Handler: handleEcho}},
}

func handleEcho(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc's own signature
	in := &wrapperspb.BytesValue{}
	if err := decode(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return answerEcho(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: echoMethod}, answerEcho)
}

func answerEcho(_ context.Context, in any) (any, error) { return in, nil }

// grpcServer is a Server on a listener of its own.
type grpcServer struct {
	*grpc.Server
	listener net.Listener
	release  func() error
}

func (s *grpcServer) Addr() string { return s.listener.Addr().String() }

func (s *grpcServer) Close() error {
	s.Stop()
	return s.release()
}

// startGRPC serves echo with opts; release is called at the end.
func startGRPC(ctx context.Context, release func() error, opts ...grpc.ServerOption) (Server, error) {
	l, err := listen(ctx)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	s := &grpcServer{grpc.NewServer(opts...), l, release}
	s.RegisterService(&echo, nil)
	go func() { _ = s.Serve(l) }() // it ends with Stop
	return s, nil
}

// grpcClient is one connection.
type grpcClient struct {
	conn     *grpc.ClientConn
	deadline time.Duration // 0: none
	release  func() error
}

func (c *grpcClient) Worker() Call {
	if c.deadline == 0 {
		return c.call
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.deadline)
		defer cancel()
		return c.call(ctx)
	}
}

func (c *grpcClient) call(ctx context.Context) error {
	in, out := wrapperspb.BytesValue{Value: payload}, wrapperspb.BytesValue{}
	if err := c.conn.Invoke(ctx, echoMethod, &in, &out); err != nil {
		return err
	}
	if len(out.Value) != len(payload) {
		return fmt.Errorf("bench: an answer of %d bytes, want %d", len(out.Value), len(payload))
	}
	return nil
}

func (c *grpcClient) Close() error { return errors.Join(c.conn.Close(), c.release()) }

// wire is how a bare stack guards the wire.
type wire bool

const (
	plain  wire = false
	mutual wire = true
)

func nothing() error { return nil }

// serveGRPC is grpc-go alone.
func serveGRPC(w wire, more ...grpc.ServerOption) func(context.Context, Env) (Server, error) {
	return func(ctx context.Context, env Env) (Server, error) {
		if w == plain {
			return startGRPC(ctx, nothing)
		}
		cfg, release, err := env.serverTLS()
		if err != nil {
			return nil, err
		}
		return startGRPC(ctx, release, append(more, grpc.Creds(credentials.NewTLS(cfg)))...)
	}
}

// dialGRPC is grpc-go alone, with a deadline on every call unless it is 0.
func dialGRPC(w wire, deadline time.Duration) func(context.Context, Env, string) (Client, error) {
	return func(_ context.Context, env Env, addr string) (Client, error) {
		creds, release := insecure.NewCredentials(), nothing
		if w == mutual {
			var cfg *tls.Config
			var err error
			if cfg, release, err = env.clientTLS(); err != nil {
				return nil, err
			}
			creds = credentials.NewTLS(cfg)
		}
		conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			return nil, errors.Join(err, release())
		}
		return &grpcClient{conn, deadline, release}, nil
	}
}
