// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"google.golang.org/grpc"
)

// Call makes one call and checks its answer. Every worker has its own.
type Call func(ctx context.Context) error

// Client is the calling end of a stack.
type Client interface {
	Worker() Call
	Close() error
}

// Server is the answering end of a stack.
type Server interface {
	Addr() string
	Close() error
}

// Stack is one way to make a call and to answer it.
type Stack struct {
	Name     string // in flags and JSON
	Title    string // in the table
	Baseline string // the stack that its ratios are over; "" is itself
	Serve    func(ctx context.Context, env Env) (Server, error)
	Dial     func(ctx context.Context, env Env, addr string) (Client, error)
}

// baseline is the name of the stack that s is compared with.
func (s *Stack) baseline() string {
	if s.Baseline == "" {
		return s.Name
	}
	return s.Baseline
}

// stacks is every stack there is, a baseline before those compared with it.
var stacks = []Stack{
	{Name: "grpc", Title: "grpc-go", Serve: serveGRPC(mutual), Dial: dialGRPC(mutual, 0)},
	{Name: "grpc-plain", Title: "grpc-go, no TLS", Baseline: "grpc", Serve: serveGRPC(plain), Dial: dialGRPC(plain, 0)},
	{Name: "grpc-again", Title: "grpc-go again (control)", Baseline: "grpc", Serve: serveGRPC(mutual), Dial: dialGRPC(mutual, 0)},
	{Name: "grpc-workers", Title: "grpc-go, stream workers", Baseline: "grpc", Serve: serveGRPC(mutual, grpc.NumStreamWorkers(streamWorkers())), Dial: dialGRPC(mutual, 0)},
	{Name: "grpc-deadline", Title: "grpc-go, a deadline", Baseline: "grpc", Serve: serveGRPC(mutual), Dial: dialGRPC(mutual, deadline)},
	{Name: "grpc-trace", Title: "grpc-go, a trace context", Baseline: "grpc", Serve: serveGRPC(mutual), Dial: dialTraced},
	{Name: "grpc-core", Title: "grpc-go + enmesh, no policy", Baseline: "grpc", Serve: serveMeshGRPC(coreServer), Dial: dialMeshGRPC(coreClient)},
	{Name: "grpc-enmesh", Title: "grpc-go + enmesh, whole chain", Baseline: "grpc", Serve: serveMeshGRPC(openServer(mutual)), Dial: dialMeshGRPC(openClient(mutual, "chain"))},
	{Name: "grpc-enmesh-attempt", Title: "… with an attempt timeout", Baseline: "grpc", Serve: serveMeshGRPC(openServer(mutual)), Dial: dialMeshGRPC(openClient(mutual, "attempt"))},
	{Name: "grpc-enmesh-timeout", Title: "… with a route timeout", Baseline: "grpc", Serve: serveMeshGRPC(openServer(mutual)), Dial: dialMeshGRPC(openClient(mutual, "timeout"))},
	{Name: "grpc-enmesh-plain", Title: "grpc-go + enmesh, whole chain, no TLS", Serve: serveMeshGRPC(openServer(plain)), Dial: dialMeshGRPC(openClient(plain, "chain"))},
	{Name: "grpc-enmesh-mutual", Title: "… with mutual TLS", Baseline: "grpc-enmesh-plain", Serve: serveMeshGRPC(openServer(mutual)), Dial: dialMeshGRPC(openClient(mutual, "chain"))},
	{Name: "http", Title: "net/http", Serve: serveHTTP, Dial: dialHTTP(0)},
	{Name: "http-again", Title: "net/http again (control)", Baseline: "http", Serve: serveHTTP, Dial: dialHTTP(0)},
	{Name: "http-deadline", Title: "net/http, a deadline", Baseline: "http", Serve: serveHTTP, Dial: dialHTTP(deadline)},
	{Name: "http-trace", Title: "net/http, a trace context", Baseline: "http", Serve: serveHTTP, Dial: dialTracedHTTP},
	{Name: "http-core", Title: "net/http + enmesh, no policy", Baseline: "http", Serve: serveMeshHTTP(coreServer), Dial: dialMeshHTTP(coreClient)},
	{Name: "http-enmesh", Title: "net/http + enmesh, whole chain", Baseline: "http", Serve: serveMeshHTTP(openServer(mutual)), Dial: dialMeshHTTP(openClient(mutual, "chain"))},
	{Name: "http-enmesh-attempt", Title: "… with an attempt timeout", Baseline: "http", Serve: serveMeshHTTP(openServer(mutual)), Dial: dialMeshHTTP(openClient(mutual, "attempt"))},
	{Name: "http-enmesh-timeout", Title: "… with a route timeout", Baseline: "http", Serve: serveMeshHTTP(openServer(mutual)), Dial: dialMeshHTTP(openClient(mutual, "timeout"))},
	{Name: "http-enmesh-plain", Title: "net/http + enmesh, whole chain, no TLS", Serve: serveMeshHTTP(openServer(plain)), Dial: dialMeshHTTP(openClient(plain, "chain"))},
	{Name: "http-enmesh-mutual", Title: "… with mutual TLS", Baseline: "http-enmesh-plain", Serve: serveMeshHTTP(openServer(mutual)), Dial: dialMeshHTTP(openClient(mutual, "chain"))},
}

// streamWorkers is as many as meshgrpc's servers have.
func streamWorkers() uint32 { return uint32(16 * runtime.GOMAXPROCS(0)) }

// stackNamed finds a stack.
func stackNamed(name string) (*Stack, error) {
	for i := range stacks {
		if stacks[i].Name == name {
			return &stacks[i], nil
		}
	}
	return nil, fmt.Errorf("bench: there is no stack %q; there are: %s", name, strings.Join(stackNames(), ", "))
}

func stackNames() []string {
	names := make([]string, 0, len(stacks))
	for i := range stacks {
		names = append(names, stacks[i].Name)
	}
	return names
}

// selectStacks is the stacks with the given names, and their baselines, in the
// table's order. A name that ends in "*" stands for all that begin so; no names are
// all stacks.
func selectStacks(names []string) ([]*Stack, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		found := false
		for i := range stacks {
			s := &stacks[i]
			prefix, wild := strings.CutSuffix(name, "*")
			if s.Name == name || wild && strings.HasPrefix(s.Name, prefix) {
				wanted[s.Name], wanted[s.baseline()], found = true, true, true
			}
		}
		if !found {
			_, err := stackNamed(name)
			return nil, err
		}
	}
	var selected []*Stack
	for i := range stacks {
		if len(names) == 0 || wanted[stacks[i].Name] {
			selected = append(selected, &stacks[i])
		}
	}
	return slices.Clip(selected), nil
}
