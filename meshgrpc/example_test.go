// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// listen serves the test service on a loopback port.
func listen(opts ...grpc.ServerOption) (addr string, stop func()) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(opts...)
	testpb.RegisterTestServiceServer(server, &service{})
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(lis) }()
	return lis.Addr().String(), func() { server.Stop(); <-done }
}

func ExampleNewClient() {
	addr, stop := listen()
	defer stop()

	source := balance.NewStaticSource(map[string][]discovery.Endpoint{
		"ratings": {{Addrs: []string{addr}}},
	}, balance.PowerOfTwo())
	client := meshgrpc.NewClient(enmesh.Fixed(false), source)
	cc, err := grpc.NewClient("enmesh:///ratings", client.DialOptions()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cc.Close() }()

	req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("five stars")}}
	resp, err := testpb.NewTestServiceClient(cc).UnaryCall(context.Background(), req)
	fmt.Printf("%s %v\n", resp.GetPayload().GetBody(), err)
	// Output: five stars <nil>
}

func ExampleNewServer() {
	count := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			fmt.Println("served", c.Path)
			return next(ctx, c)
		}
	}
	server := meshgrpc.NewServer(enmesh.Fixed(false, enmesh.Recover(nil), count))
	addr, stop := listen(server.Options()...)
	defer stop()

	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(plaintext))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cc.Close() }()
	_, err = testpb.NewTestServiceClient(cc).EmptyCall(context.Background(), &testpb.Empty{})
	fmt.Println(err)
	// Output:
	// served /grpc.testing.TestService/EmptyCall
	// <nil>
}

// Connections that are replaced every ten minutes, a few sooner, so that calls spread over
// servers that came later behind one address.
func ExampleWithConnection() {
	addr, stop := listen()
	defer stop()

	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"ratings": {{Addrs: []string{addr}}}}, nil)
	connection := balance.ConnectionConfig{MaxAge: 10 * time.Minute, ConnectTimeout: 500 * time.Millisecond}
	client := meshgrpc.NewClient(enmesh.Fixed(false), source, meshgrpc.WithConnection(connection))
	cc, err := grpc.NewClient("enmesh:///ratings", client.DialOptions()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cc.Close() }()
	_, err = testpb.NewTestServiceClient(cc).EmptyCall(context.Background(), &testpb.Empty{})
	fmt.Println(err)
	// Output: <nil>
}
