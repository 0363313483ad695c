// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command grpc is a small mesh over gRPC with mutual TLS: a service with two
// instances and a client, each with an identity from a development authority, in one
// process. One instance stops; the client loses no call. The service is gRPC's
// own health service, so that nothing has to be generated.
//
//	go run ./examples/quickstart/grpc
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/security/ca"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "grpc:", err)
		os.Exit(1)
	}
}

// run starts two instances, calls them, stops one, and calls again.
func run(ctx context.Context, w io.Writer) error {
	out := log.New(w, "", 0)
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		return err
	}
	first, err := start(ctx, authority, "v1")
	if err != nil {
		return err
	}
	defer func() { _ = first.stop() }()
	second, err := start(ctx, authority, "v2")
	if err != nil {
		return err
	}
	defer func() { _ = second.stop() }()

	// The client's mesh: its identity, and where services are and who they must be.
	identity, err := authority.Source("default", "visitor")
	if err != nil {
		return err
	}
	registry := discovery.NewStatic(map[string][]discovery.Endpoint{"ratings": {first.endpoint(), second.endpoint()}})
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "visitor"}),
		mesh.WithResolver(registry),
		mesh.WithCertificates(identity),
	)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()

	// From here on it is a plain *grpc.ClientConn.
	cc, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
	if err != nil {
		return err
	}
	defer func() { _ = cc.Close() }()
	client := grpc_health_v1.NewHealthClient(cc)

	if err := ask(ctx, client, out, "two instances"); err != nil {
		return err
	}
	if err := first.stop(); err != nil {
		return err
	}
	return ask(ctx, client, out, "one stopped")
}

// ask makes twenty calls and says who answered whom.
func ask(ctx context.Context, client grpc_health_v1.HealthClient, out *log.Logger, when string) error {
	answers := map[string]int{}
	for range 20 {
		var header metadata.MD
		res, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header))
		if err != nil {
			return err
		}
		by, caller := header.Get("served-by"), header.Get("caller")
		if len(by) != 1 || len(caller) != 1 {
			return errors.New("the answer does not say who answered whom")
		}
		answers[fmt.Sprintf("%s from %s to %s", res.GetStatus(), by[0], caller[0])]++
	}
	for _, answer := range slices.Sorted(maps.Keys(answers)) {
		out.Printf("%s: %d x %s", when, answers[answer], answer)
	}
	return nil
}
