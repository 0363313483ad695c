// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// misdirecting lets a client ask its connection for every host, as any client can.
type misdirecting struct {
	credentials.TransportCredentials
}

func (m misdirecting) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := m.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if tls, ok := info.(credentials.TLSInfo); ok {
		info = meshgrpc.TLSInfo{TLSInfo: tls} // which any authority may be asked of
	}
	return conn, info, err
}

// TestScenarioA13_serverName: a caller without identity is held to the name that it sent in
// its handshake, before a policy or the handler sees the call.
func TestScenarioA13_serverName(t *testing.T) {
	const mesh = "spiffe://cluster.local/ns/default/sa/front"
	pattern := httptest.NewUnstartedServer(nil) // for its certificate, of example.com
	pattern.StartTLS()
	defer pattern.Close()
	roots := x509.NewCertPool()
	roots.AddCert(pattern.Certificate())
	for _, tt := range []struct {
		check         meshgrpc.ServerNameCheck
		identity      string
		sent, asksFor string
		want          codes.Code
	}{
		{meshgrpc.CheckOutside, "", "example.com", "example.com", codes.OK},
		{meshgrpc.CheckOutside, "", "example.com", "Example.com.:443", codes.OK},
		{meshgrpc.CheckOutside, "", "example.com", "admin.example.com", codes.InvalidArgument},
		{meshgrpc.CheckOutside, "", "example.com", "example.com.evil", codes.InvalidArgument},
		{meshgrpc.CheckOutside, "", "example.com", "[::1]:443", codes.InvalidArgument},
		{meshgrpc.CheckOutside, "", "", "admin.example.com", codes.OK},
		{meshgrpc.CheckOutside, mesh, "example.com", "reviews", codes.OK},
		{meshgrpc.CheckAll, mesh, "example.com", "reviews", codes.InvalidArgument},
		{meshgrpc.CheckAll, mesh, "example.com", "example.com", codes.OK},
		{meshgrpc.CheckNone, "", "example.com", "admin.example.com", codes.OK},
	} {
		var policy, handler atomic.Int64
		server := meshgrpc.NewServer(enmesh.Fixed(false, func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error { policy.Add(1); return next(ctx, c) }
		}), meshgrpc.WithTLS(pattern.TLS), meshgrpc.WithServerNameCheck(tt.check),
			meshgrpc.WithIdentity(func(*tls.ConnectionState) string { return tt.identity }))
		addr := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			handler.Add(1)
			return &testpb.SimpleResponse{}, nil
		}}, server.Options()...)
		cfg := &tls.Config{RootCAs: roots, ServerName: tt.sent, MinVersion: tls.VersionTLS13}
		if tt.sent == "" {
			cfg.ServerName = "127.0.0.1" // an address is not sent
		}
		cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(misdirecting{credentials.NewTLS(cfg)}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = testpb.NewTestServiceClient(cc).UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.CallAuthority(tt.asksFor))
		_ = cc.Close()
		served := int64(0)
		if tt.want == codes.OK {
			served = 1
		}
		if status.Code(err) != tt.want || handler.Load() != served || policy.Load() != served || server.Refused() != uint64(1-served) {
			t.Errorf("check %d, %q: SNI %q, authority %q: got %v, the policy saw %d calls, the handler %d, %d were refused; want %v",
				tt.check, tt.identity, tt.sent, tt.asksFor, err, policy.Load(), handler.Load(), server.Refused(), tt.want)
		}
	}
}
