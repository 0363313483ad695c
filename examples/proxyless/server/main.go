// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command server is a gRPC service that knows nothing of enmesh: a plain program on grpc-go.
// Who its agent is, what its connections are secured by and who may call it comes over xDS,
// by the file that GRPC_XDS_BOOTSTRAP names.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to listen on")
	version := flag.String("version", "v1", "`name` to sign answers with")
	flag.Parse()
	if err := serve(*listen, *version); err != nil {
		log.Fatal(err)
	}
}

// serve greets until it is interrupted.
func serve(addr, version string) error {
	// Credentials of xDS do what the agent says, and these where it says nothing.
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return err
	}
	server, err := xds.NewGRPCServer(grpc.Creds(creds))
	if err != nil {
		return err
	}
	server.RegisterService(&greeter, &hello{version})
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr()) // for whoever tells the registry
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, server.GracefulStop)
	return server.Serve(l)
}

// hello greets.
type hello struct{ version string }

// Greet answers to a name.
func (h *hello) Greet(_ context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if name.GetValue() == "" {
		return nil, status.Error(codes.InvalidArgument, "whom?")
	}
	return wrapperspb.String("hello " + name.GetValue() + ", says " + h.version), nil
}

// greeting and greeter are what protoc would make of greeter.proto.
type greeting interface {
	Greet(ctx context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
}

var greeter = grpc.ServiceDesc{
	ServiceName: "hello.Greeter",
	HandlerType: (*greeting)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Greet", Handler: greet}},
}

func greet(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc has the context second
	var name wrapperspb.StringValue
	if err := decode(&name); err != nil {
		return nil, err
	}
	handle := func(ctx context.Context, in any) (any, error) {
		return srv.(greeting).Greet(ctx, in.(*wrapperspb.StringValue)) //nolint:errcheck // of these types by the description
	}
	if interceptor == nil {
		return handle(ctx, &name)
	}
	return interceptor(ctx, &name, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/hello.Greeter/Greet"}, handle)
}
