// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleNew() {
	detector := outlier.New(outlier.Default())
	cluster := balance.NewCluster(balance.ClusterConfig{
		Gates: func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detector.Gate(e)} },
	})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:80"}}, {Addrs: []string{"10.0.0.2:80"}}})

	bad := cluster.Set().Endpoints[0]
	failure := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	for range 5 {
		var a balance.Admission
		if err := bad.Admit(context.Background(), nil, enmesh.Now(), &a); err != nil {
			fmt.Println(err)
			return
		}
		a.Release(enmesh.Result{Err: failure, Outcome: enmesh.Failure, Ended: enmesh.Now()})
	}
	fmt.Println(bad.Addr(), "ready:", bad.Ready())
	// Output: 10.0.0.1:80 ready: false
}

func ExampleOnEvent() {
	events := make(chan outlier.Event, 8)
	detector := outlier.New(outlier.Config{Consecutive5xx: 1}, outlier.OnEvent(func(ev outlier.Event) {
		select {
		case events <- ev:
		default: // nobody has kept up; a call must not wait for that
		}
	}))
	cluster := balance.NewCluster(balance.ClusterConfig{
		Gates: func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detector.Gate(e)} },
	})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:80"}}})
	var a balance.Admission
	if err := cluster.Set().Endpoints[0].Admit(context.Background(), nil, enmesh.Now(), &a); err != nil {
		fmt.Println(err)
		return
	}
	a.Release(enmesh.Result{Err: enmesh.ErrSlow, Outcome: enmesh.Failure, Ended: enmesh.Now()})
	ev := <-events
	fmt.Println(ev.Kind, ev.Endpoint.Addr(), ev.Why, ev.Until.Sub(ev.At))
	// Output: ejected 10.0.0.1:80 consecutive_5xx 30s
}

func ExampleCodesOf() {
	codes, err := outlier.CodesOf(429, 500, 503)
	cfg := outlier.Default()
	cfg.Codes = codes
	fmt.Println(cfg.Codes.Has(429), cfg.Codes.Has(502), err)
	// Output: true false <nil>
}

func ExampleEnvoy() {
	cfg := outlier.Envoy()
	fmt.Println(cfg.SuccessRate.Enabled, cfg.SuccessRate.Factor, cfg.Interval)
	// Output: true 1900 10s
}

func ExampleDefault() {
	cfg := outlier.Default()
	fmt.Println(cfg.Consecutive5xx, cfg.BaseEjection, cfg.MaxEjectionPercent)
	// Output: 5 30s 10
}
