// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

func TestCollector_countsDecisions(t *testing.T) {
	c := prom.New(prom.Config{})
	client, server := c.Decisions(telemetry.Scope{Self: self}), c.Decisions(telemetry.Scope{Side: enmesh.Server, Self: self})
	refused := enmesh.Decision{Policy: "breaker", Action: enmesh.ActionRefuse, Shadow: true}
	for range 3 {
		client.Record(call(nil), refused)
	}
	server.Record(call(func(c *enmesh.Call) { c.Service = "whatever.a.caller.says" }), enmesh.Decision{Policy: "shed", Action: enmesh.ActionRefuse})
	client.Record(nil, enmesh.Decision{Policy: "redislimit", Action: enmesh.ActionDegrade})
	text := scrape(t, c)
	for _, want := range []string{
		`enmesh_decisions_total{action="refuse",destination_service="reviews.default.svc.cluster.local",policy="breaker",reporter="source",shadow="true",source_workload="productpage-v1"} 3`,
		`enmesh_decisions_total{action="refuse",destination_service="productpage.default.svc.cluster.local",policy="shed",reporter="destination",shadow="false",source_workload="unknown"} 1`,
		`policy="redislimit"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	one := call(nil)
	if got := testing.AllocsPerRun(100, func() { client.Record(one, refused) }); got != 0 {
		t.Errorf("counting a decision allocates %v times", got)
	}
}
