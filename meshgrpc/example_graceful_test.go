// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/meshgrpc"
)

// A server whose health says whether it is ready, and whose end has a deadline: mesh.Run
// calls Serve and Shutdown, and *mesh.Health stands where readiness does here.
func ExampleGraceful() {
	ready := newReadiness()
	server := meshgrpc.Graceful(grpc.NewServer(), ready)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	cc, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(plaintext))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cc.Close() }()
	health := grpc_health_v1.NewHealthClient(cc)
	for _, is := range []bool{true, false} {
		ready.set(is)
		resp, err := health.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
		fmt.Println(resp.GetStatus(), err)
	}
	fmt.Println(server.Shutdown(context.Background()), <-served)
	// Output:
	// SERVING <nil>
	// NOT_SERVING <nil>
	// <nil> <nil>
}

// Health for a server that is run by other means.
func ExampleRegisterHealth() {
	server := grpc.NewServer()
	health := meshgrpc.RegisterHealth(server, newReadiness())
	resp, err := health.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(resp.GetStatus(), err)
	// Output: SERVING <nil>
}
