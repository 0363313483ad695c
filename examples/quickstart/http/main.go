// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command http is a small mesh over HTTP: a service with two instances and a client,
// each with its mesh, in one process and without policy files. One instance goes
// away; the client loses no call.
//
//	go run ./examples/quickstart/http
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

// run starts two instances, calls them, stops one, and calls again.
func run(ctx context.Context, w io.Writer) error {
	out := log.New(w, "", 0)
	first, err := start(ctx, "v1")
	if err != nil {
		return err
	}
	defer func() { _ = first.stop() }()
	second, err := start(ctx, "v2")
	if err != nil {
		return err
	}
	defer func() { _ = second.stop() }()

	// The client's mesh: who it is, and where services are.
	table := edges.New(edges.Config{})
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "visitor", Version: "v1"}),
		mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{
			"greetings": {first.endpoint(), second.endpoint()},
		})),
		mesh.WithTelemetry(table),
	)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()

	// From here on it is plain net/http; the host is the name of the service.
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { _ = transport.Close() }()
	client := &http.Client{Transport: transport}

	if err := visit(ctx, client, out, "two instances"); err != nil {
		return err
	}
	if err := first.stop(); err != nil {
		return err
	}
	if err := visit(ctx, client, out, "one stopped"); err != nil {
		return err
	}
	for _, e := range table.Snapshot() {
		out.Printf("%s to %s %s: %d requests, %.0f%% succeeded", e.From, e.To, e.Version, e.Requests, 100*e.SuccessRate())
	}
	return nil
}

// visit makes twenty calls and says what came of them.
func visit(ctx context.Context, client *http.Client, out *log.Logger, when string) error {
	answers := map[string]int{}
	for range 20 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://greetings/", http.NoBody)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		answers[fmt.Sprintf("%d %s", res.StatusCode, text)]++
	}
	out.Printf("%s: %v", when, answers)
	return nil
}

// instance is one server of the service "greetings", with the mesh it serves in.
type instance struct {
	mesh     *mesh.Mesh
	server   *meshhttp.Server
	listener net.Listener
	done     chan struct{}
	version  string
}

// start listens on a free loopback port.
func start(ctx context.Context, version string) (*instance, error) {
	m, err := mesh.Open(ctx, mesh.WithWorkload(mesh.Workload{Service: "greetings", Version: version}))
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "hello from ", version) })
	server := meshhttp.NewServer(meshhttp.NewHandler(hello, m.Inbound()))
	i := &instance{mesh: m, server: server, listener: l, done: make(chan struct{}), version: version}
	go func() {
		defer close(i.done)
		_ = server.Serve(l)
	}()
	return i, nil
}

// endpoint is what a registry says of the instance.
func (i *instance) endpoint() discovery.Endpoint {
	return discovery.Endpoint{Addrs: []string{i.listener.Addr().String()}, Labels: map[string]string{"version": i.version}}
}

// stop closes the server and its mesh. A second time it does nothing more.
func (i *instance) stop() error {
	err := i.server.Close()
	<-i.done
	return errors.Join(err, i.mesh.Close())
}
