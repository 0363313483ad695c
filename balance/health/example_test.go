// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleNew() {
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer ill.Close()
	cluster := balance.NewCluster(balance.ClusterConfig{})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{ill.Listener.Addr().String()}}})

	checker, err := health.NewHTTP(health.HTTPConfig{Path: "/healthz"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	monitor := health.New(cluster, health.Config{FirstWithin: time.Millisecond}, checker,
		health.OnChange(func(v health.Verdict) {
			fmt.Println("healthy:", v.Healthy, "because:", v.Err)
			cancel()
		}))
	if err := monitor.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: healthy: false because: health: status 503, want 200-299
}

func ExampleNewTCP() {
	checker := health.NewTCP(health.TCPConfig{Send: "PING\r\n", Expect: "+PONG"})
	cluster := balance.NewCluster(balance.ClusterConfig{})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"127.0.0.1:1"}}})
	err := checker.Check(context.Background(), cluster.Set().Endpoints[0])
	fmt.Println("well:", err == nil)
	// Output: well: false
}

func ExampleNewHTTP() {
	_, err := health.NewHTTP(health.HTTPConfig{Expect: "200-"}, nil)
	fmt.Println(err)
	// Output: health: expected status "": want a number from 100 to 599
}
