// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/discovery"
)

// hang bounds every wait of a test.
const hang = 60 * time.Second

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("after %v: still not so: %s", hang, what)
}

// backend answers every call with its name in the header "who".
func backend(t testing.TB, name string) discovery.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, st grpc.ServerStream) error {
		if err := st.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		_ = st.SetHeader(metadata.Pairs("who", name)) // the call is open
		return st.SendMsg(&emptypb.Empty{})
	}))
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return discovery.Endpoint{Addrs: []string{l.Addr().String()}}
}

// start opens an agent and runs it until the test ends.
func start(t testing.TB, cfg agent.Config) *agent.Agent {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a, err := agent.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return a
}

// write puts policy in a file of its own and gives the path.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bootstrap is the bootstrap of a workload, for a server such as "unix:///run/x.sock" or host:port.
func bootstrap(server, more string) []byte { return bootstrapOf(more, server) }

// bootstrapOf is one with servers to fall back to.
func bootstrapOf(more string, servers ...string) []byte {
	var list []string
	for _, s := range servers {
		list = append(list, `{"server_uri":"`+s+`","channel_creds":[{"type":"insecure"}]}`)
	}
	return []byte(`{"xds_servers":[` + strings.Join(list, ",") + `],
		"node":{"id":"n1","cluster":"web","locality":{"region":"eu","zone":"a"},"metadata":{"namespace":"default","labels":{"app":"web"}}},
		"server_listener_resource_name_template":"` + translate.ServerListenerTemplate + `"` + more + `}`)
}

// dial is an unmodified client of gRPC.
func dial(t testing.TB, config []byte, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	b, err := xds.NewXDSResolverWithConfigForTesting(config)
	if err != nil {
		t.Fatal(err)
	}
	opts = append([]grpc.DialOption{grpc.WithResolvers(b), grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)
	cc, err := grpc.NewClient("xds:///"+target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// call says who answered.
func call(t testing.TB, cc *grpc.ClientConn) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var head metadata.MD
	if err := cc.Invoke(ctx, "/shop.Reviews/Get", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Header(&head)); err != nil {
		return "", err
	}
	return head.Get("who")[0], nil
}
