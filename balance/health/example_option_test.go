// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/discovery"
)

// one is the endpoint at an address.
func one(addr net.Addr) *balance.Endpoint {
	cluster := balance.NewCluster(balance.ClusterConfig{})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{addr.String()}}})
	return cluster.Set().Endpoints[0]
}

// A check that is dialled as the program likes, here with its own local address.
func ExampleDial() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	local := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	checker := health.NewTCP(health.TCPConfig{}, health.Dial(local.DialContext))
	fmt.Println(checker.Check(context.Background(), one(server.Listener.Addr())))
	// Output: <nil>
}

// trust dials every endpoint over TLS; a *mesh.Mesh is such a source, with its own
// identity.
type trust struct{ cfg *tls.Config }

func (t trust) ClientTLS(*balance.Endpoint) *tls.Config { return t.cfg }

func ExampleSecure() {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	client, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		fmt.Println("no transport")
		return
	}
	cfg := client.TLSClientConfig.Clone()
	cfg.ServerName = "example.com" // whom the test server's certificate names
	checker, err := health.NewHTTP(health.HTTPConfig{Path: "/healthz"}, nil, health.Secure(trust{cfg}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checker.Check(context.Background(), one(server.Listener.Addr())))
	// Output: <nil>
}

// What changes, as metrics or a log want to hear of it.
func ExampleOnChange() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cluster := balance.NewCluster(balance.ClusterConfig{})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:9080"}}})
	down := health.CheckerFunc(func(context.Context, *balance.Endpoint) error {
		return fmt.Errorf("the disk is full: %w", health.ErrNow)
	})
	monitor := health.New(cluster, health.Config{FirstWithin: 1}, down, health.OnChange(func(v health.Verdict) {
		fmt.Println(v.Endpoint.Addr(), "healthy:", v.Healthy)
		cancel()
	}))
	fmt.Println(monitor.Run(ctx))
	// Output:
	// 10.0.0.1:9080 healthy: false
	// <nil>
}
