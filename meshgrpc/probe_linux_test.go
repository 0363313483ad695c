// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// keeping is plaintext, and keeps the latest connection that was dialled.
type keeping struct {
	credentials.TransportCredentials
	mu   *sync.Mutex // guards conn
	conn *net.Conn
}

func (k keeping) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	k.mu.Lock()
	*k.conn = conn
	k.mu.Unlock()
	return k.TransportCredentials.ClientHandshake(ctx, authority, conn)
}

func (k keeping) Clone() credentials.TransportCredentials { return k }

// TestClient_probesAsItIsTold: policy says how TCP probes, else the program, else it is 8 s,
// 2 s and three times.
func TestClient_probesAsItIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		policy, program        balance.ConnectionConfig
		idle, interval, probes int
	}{
		"nobody says":      {idle: 8, interval: 2, probes: 3},
		"the program says": {program: balance.ConnectionConfig{ProbeIdle: 9 * time.Second}, idle: 9, interval: 2, probes: 3},
		"policy says": {
			policy: balance.ConnectionConfig{ProbeIdle: 7 * time.Second, ProbeInterval: 4 * time.Second, Probes: 6}, idle: 7, interval: 4, probes: 6,
		},
		"both say": {
			policy: balance.ConnectionConfig{ProbeIdle: 7 * time.Second}, program: balance.ConnectionConfig{ProbeIdle: 9 * time.Second, Probes: 4},
			idle: 7, interval: 2, probes: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := &clusters{connection: tt.policy}
			src.apply("svc", serve(t, &service{}))
			kept := keeping{insecure.NewCredentials(), new(sync.Mutex), new(net.Conn)}
			opts := append(meshgrpc.NewClient(enmesh.Fixed(false), src, meshgrpc.WithConnection(tt.program)).DialOptions(), grpc.WithTransportCredentials(kept))
			cc, err := grpc.NewClient("enmesh:///svc", opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			if _, err := testpb.NewTestServiceClient(cc).EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
				t.Fatal(err)
			}
			kept.mu.Lock()
			defer kept.mu.Unlock()
			raw, err := (*kept.conn).(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []struct {
				name     string
				of, want int
			}{
				{"silence before the first", syscall.TCP_KEEPIDLE, tt.idle},
				{"time between them", syscall.TCP_KEEPINTVL, tt.interval},
				{"how many", syscall.TCP_KEEPCNT, tt.probes},
			} {
				got := 0
				var failed error
				if err := raw.Control(func(fd uintptr) { got, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, o.of) }); err != nil || failed != nil || got != o.want {
					t.Errorf("%s: got %d (%v, %v), want %d", o.name, got, err, failed, o.want)
				}
			}
		})
	}
}
