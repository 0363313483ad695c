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

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// visit is what front answers: who greeted it over each protocol.
type visit struct {
	HTTP string `json:"http"`
	GRPC string `json:"grpc"`
}

// front is an instance of the service front, which calls greeter over HTTP and gRPC for each
// request. It returns when the process is told to end, and all calls are answered.
func front(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("consul front", flag.ContinueOnError)
	listen := fs.String("http", "127.0.0.1:0", "`address` to listen on; port 0 is a free one")
	if err := fs.Parse(args); err != nil {
		return err
	}

	registry, err := consul.New(consul.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "front", Version: "v1"}),
		mesh.WithResolver(registry),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { err = errors.Join(err, transport.Close()) }()
	cc, err := grpc.NewClient("enmesh:///greeter", meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cc.Close()) }()

	c := callers{web: &http.Client{Transport: transport}, rpc: grpc_health_v1.NewHealthClient(cc)}
	web := meshhttp.NewServer(meshhttp.NewHandler(c.handler(), m.Inbound()))
	return mesh.Run(ctx, m,
		mesh.Serving{Server: meshhttp.Graceful(web), Addr: *listen, Protocol: "http"},
		mesh.WithRegistrar(registry),
	)
}

// callers are the plain clients, of net/http and of generated gRPC code, that front calls
// greeter with.
type callers struct {
	web *http.Client
	rpc grpc_health_v1.HealthClient
}

func (c callers) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		v, err := c.visit(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the caller has gone, if this fails
	})
	return mux
}

// visit calls greeter over both protocols.
func (c callers) visit(ctx context.Context) (visit, error) {
	var v visit
	var g greeting
	if err := fetch(ctx, c.web, "http://greeter/greet", &g); err != nil {
		return v, fmt.Errorf("over HTTP: %w", err)
	}
	var header metadata.MD
	answer, err := c.rpc.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header))
	switch {
	case err != nil:
		return v, fmt.Errorf("over gRPC: %w", err)
	case len(header.Get(instanceKey)) != 1:
		return v, errors.New("over gRPC: the answer is not signed")
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING &&
		answer.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING: // it ends, and answers until it has
		return v, fmt.Errorf("over gRPC: the answer is %v", answer.GetStatus())
	}
	return visit{HTTP: g.Instance, GRPC: header.Get(instanceKey)[0]}, nil
}

// fetch reads the JSON at a URL.
func fetch(ctx context.Context, client *http.Client, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}
