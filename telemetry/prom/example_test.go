// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

func ExampleNew() {
	metrics := prom.New(prom.Config{})
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)

	scope := telemetry.Scope{
		Side: enmesh.Client,
		Self: telemetry.Workload{Name: "productpage-v1", Namespace: "default", App: "productpage", Version: "v1"},
	}
	router := enmesh.Fixed(false, telemetry.Calls(metrics.Calls(scope)))

	w := enmeshtest.NewWire() // an adapter does this for every request
	w.Call().Service = "reviews"
	_ = w.Do(context.Background(), router)
	w.Finish(nil)

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range families {
		if f.GetName() != "istio_requests_total" {
			continue
		}
		for _, label := range f.GetMetric()[0].GetLabel() {
			if name := label.GetName(); name == "destination_service" || name == "response_code" || name == "source_workload" {
				fmt.Println(name, label.GetValue())
			}
		}
		fmt.Println(f.GetMetric()[0].GetCounter().GetValue())
	}
	// Output:
	// destination_service reviews.default.svc.cluster.local
	// response_code 200
	// source_workload productpage-v1
	// 1
}
