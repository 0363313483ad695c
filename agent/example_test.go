// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// A program that has an agent within: it serves what a registry knows to clients of gRPC on this
// host, until its context ends.
func ExampleOpen() {
	registry := discovery.NewMemory()
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{"127.0.0.1:9080"}})

	a, err := agent.Open(context.Background(), agent.Config{
		Resolver: registry, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()

	ctx, stop := context.WithCancel(context.Background())
	stop() // at once, for the sake of the example
	fmt.Println(a.Run(ctx))
	s := a.Status()
	fmt.Println("ready:", s.Ready, "clients:", len(s.Clients))
	// Output:
	// <nil>
	// ready: true clients: 0
}

// Certificates of an authority, kept fresh where the bootstrap file of a workload says.
func ExampleFromAuthority() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := security.IDFor("cluster.local", "default", "web")
	if err != nil {
		fmt.Println(err)
		return
	}
	issuer := agent.FromAuthority(authority) // for agent.Issue{Dir: "/run/enmesh/web", Identity: web, From: issuer}
	source, err := issuer(context.Background(), web)
	if err != nil {
		fmt.Println(err)
		return
	}
	own, err := source.Identity()
	fmt.Println(own.ID(), err)
	// Output: spiffe://cluster.local/ns/default/sa/web <nil>
}
