// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// greeting is what an instance of greeter answers over HTTP.
type greeting struct {
	Text     string `json:"text"`
	Instance string `json:"instance"`
}

// instanceKey is the metadata key that says who answered over gRPC.
const instanceKey = "instance"

// greeter is an instance of the service greeter, over HTTP and gRPC. It returns when the
// process is told to end, and all calls are answered.
func greeter(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("consul greeter", flag.ContinueOnError)
	version := fs.String("version", "v1", "`label` by which policies tell instances apart")
	name := fs.String("name", fmt.Sprint("greeter-", os.Getpid()), "`name` that answers are signed with")
	if err := fs.Parse(args); err != nil {
		return err
	}

	// The agent is the one that CONSUL_HTTP_ADDR names, else the one of this machine.
	registry, err := consul.New(consul.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "greeter", Version: *version}),
		mesh.WithResolver(registry),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	web := meshhttp.NewServer(meshhttp.NewHandler(greet(*name), m.Inbound()))
	rpc := grpc.NewServer(append(meshgrpc.NewServer(m.Inbound()).Options(), grpc.ChainUnaryInterceptor(sign(*name)))...)

	// Graceful gives rpc the health service; no other is needed here.
	return mesh.Run(ctx, m,
		mesh.Serving{Server: meshhttp.Graceful(web), Protocol: "http"},
		mesh.Serving{Server: meshgrpc.Graceful(rpc, m.Health()), Protocol: "grpc"},
		mesh.WithRegistrar(registry),
	)
}

// greet answers over HTTP.
func greet(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /greet", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(greeting{Text: "hello", Instance: name}) // the caller has gone, if this fails
	})
	return mux
}

// sign says over gRPC who answers.
func sign(name string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs(instanceKey, name)); err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}
}
