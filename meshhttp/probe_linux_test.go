// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// option is one of TCP's options of a connection, as the system has it.
func option(t *testing.T, conn net.Conn, name int) (value int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestTransport_probesAsItIsTold: what policy says of TCP's probes goes before the dialer of
// the base, as it goes before what the program says.
func TestTransport_probesAsItIsTold(t *testing.T) {
	const own = 77 * time.Second // the base's
	for name, tt := range map[string]struct {
		policy, program        balance.ConnectionConfig
		idle, interval, probes int
	}{
		"nobody says":      {idle: 77, interval: 77, probes: 5},
		"the program says": {program: balance.ConnectionConfig{ProbeIdle: 9 * time.Second}, idle: 9, interval: 2, probes: 3},
		"policy says": {
			policy: balance.ConnectionConfig{ProbeIdle: 7 * time.Second, ProbeInterval: 4 * time.Second, Probes: 6}, idle: 7, interval: 4, probes: 6,
		},
		"policy says only how many": {policy: balance.ConnectionConfig{Probes: 6}, idle: 8, interval: 2, probes: 6},
		"both say": {
			policy: balance.ConnectionConfig{ProbeIdle: 7 * time.Second}, program: balance.ConnectionConfig{ProbeIdle: 9 * time.Second, Probes: 4},
			idle: 7, interval: 2, probes: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(say)
			defer srv.Close()
			w := worldOf(srv)
			w.cluster.Configure(balance.ClusterConfig{Algorithm: balance.RoundRobin(), Connection: tt.policy})
			var conn net.Conn
			dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: own, Interval: own, Count: 5}}
			base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				made, err := dialer.DialContext(ctx, network, addr)
				conn = made
				return made, err
			}}
			tr := meshhttp.NewTransport(base, enmesh.Fixed(false), oneCluster{w.cluster}, meshhttp.Connection(tt.program))
			defer tr.Close()
			_, _ = get(t, &http.Client{Transport: tr}, "http://svc/")
			for _, o := range []struct {
				name     string
				of, want int
			}{
				{name: "silence before the first", of: syscall.TCP_KEEPIDLE, want: tt.idle},
				{name: "time between them", of: syscall.TCP_KEEPINTVL, want: tt.interval},
				{name: "how many", of: syscall.TCP_KEEPCNT, want: tt.probes},
			} {
				if got := option(t, conn, o.of); got != o.want {
					t.Errorf("%s: got %d, want %d", o.name, got, o.want)
				}
			}
		})
	}
}
