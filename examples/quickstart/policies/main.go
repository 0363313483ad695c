// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command policies runs a service in two versions and a client under Istio's policy
// documents, and changes the documents while it runs: the split moves, near instances
// go first, and a file with a mistake changes nothing.
//
//	go run ./examples/quickstart/policies
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

//go:embed steps/*.yaml
var steps embed.FS

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "policies:", err)
		os.Exit(1)
	}
}

// run puts one step after the other in force, and calls the service under each.
func run(ctx context.Context, w io.Writer) error {
	out := log.New(w, "", 0)
	v1, v2 := serve("v1"), serve("v2")
	defer v1.Close()
	defer v2.Close()
	dir, err := os.MkdirTemp("", "policies-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := put(dir, "1-canary.yaml"); err != nil {
		return err
	}
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "productpage", Locality: discovery.Locality{Region: "eu", Zone: "eu-1"}}),
		mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{"reviews": {endpoint(v1, "v1", "eu-1"), endpoint(v2, "v2", "eu-2")}})),
		mesh.WithPolicies(dir),
	)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { _ = transport.Close() }()
	client := &http.Client{Transport: transport}

	out.Print("the canary:")
	if err := errors.Join(ask(ctx, client, out, ""), ask(ctx, client, out, "jason")); err != nil {
		return err
	}
	if err := change(ctx, m, dir, "2-all-v2.yaml"); err != nil {
		return err
	}
	out.Print("all to v2:")
	for _, finding := range m.Status().Policy.Notes {
		out.Printf("  line %d, %s: %s", finding.Line, finding.Field, finding.Message)
	}
	if err := ask(ctx, client, out, ""); err != nil {
		return err
	}
	if err := change(ctx, m, dir, "3-near.yaml"); err != nil {
		return err
	}
	out.Print("the near one first:")
	if err := ask(ctx, client, out, ""); err != nil {
		return err
	}
	v1.Close()
	out.Print("the near one is gone:")
	if err := ask(ctx, client, out, ""); err != nil {
		return err
	}
	if err := change(ctx, m, dir, "4-mistake.yaml"); err != nil {
		return err
	}
	out.Printf("a mistake:\n  %v", m.Status().Policy.Err)
	return ask(ctx, client, out, "")
}

// put makes a step the one policy file of dir, by a rename.
func put(dir, step string) error {
	text, err := steps.ReadFile("steps/" + step)
	if err != nil {
		return err
	}
	next := filepath.Join(dir, ".next")
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, "reviews.yaml"))
}

// change puts a step and waits until the mesh has read it.
func change(ctx context.Context, m *mesh.Mesh, dir, step string) error {
	before := m.Status().Policy.Loads
	if err := put(dir, step); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for m.Status().Policy.Loads == before {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was not read: %w", step, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
