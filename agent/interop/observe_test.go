// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	adminpb "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	statuspb "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/agent"
)

// dump is what a client status service says, by kind and name.
func dump(t *testing.T, target string) map[string]*statuspb.ClientConfig_GenericXdsConfig {
	t.Helper()
	cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := statuspb.NewClientStatusDiscoveryServiceClient(cc).FetchClientStatus(ctx, &statuspb.ClientStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*statuspb.ClientConfig_GenericXdsConfig{}
	for _, one := range resp.GetConfig() {
		if id := one.GetNode().GetId(); id != web.NodeID {
			t.Errorf("the node is %q, want %q", id, web.NodeID)
		}
		for _, r := range one.GetGenericXdsConfigs() {
			kind := r.GetTypeUrl()[strings.LastIndexByte(r.GetTypeUrl(), '.')+1:]
			out[kind+" "+r.GetName()] = r
		}
	}
	return out
}

// TestCSDS compares what a client says that it has with what the agent says of it.
func TestCSDS(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, _ := one(t, "")
		c := p.client(l, "echo:7070")
		if got := c.calls(3, unary); got.failed() > 0 {
			t.Fatal(got)
		}
		const cluster = "outbound|7070||echo.default.svc.cluster.local"
		want := []string{"Listener echo:7070", "RouteConfiguration echo:7070", "Cluster " + cluster, "ClusterLoadAssignment " + cluster}
		its, ours := dump(t, c.do(order{Do: "admin"}).Addr), dump(t, "unix://"+p.socket)
		for _, name := range want {
			a, b := its[name], ours[name]
			if a.GetClientStatus() != adminpb.ClientResourceStatus_ACKED || b.GetClientStatus() != adminpb.ClientResourceStatus_ACKED {
				t.Errorf("%s: the client says %v, the agent %v, want ACKED", name, a.GetClientStatus(), b.GetClientStatus())
			}
			if a.GetXdsConfig() == nil || !bytes.Equal(a.GetXdsConfig().GetValue(), b.GetXdsConfig().GetValue()) {
				t.Errorf("%s: the client has other content than the agent says", name)
			}
		}
		if len(its) != len(want) || len(ours) != len(want) {
			t.Errorf("the client has %d resources, the agent says %d, want %d", len(its), len(ours), len(want))
		}
	})
}

// TestLoadReports has the agent's metrics say who called whom, and how it ended.
func TestLoadReports(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p := run(t, func(cfg *agent.Config) { cfg.LoadReports = true })
		p.policy(ruled("retries: {attempts: 0}"))
		p.registry.Set("echo", serve(t, "one").at())
		c := p.client(l, "echo:7070")
		if got := c.calls(30, unary); got.failed() > 0 {
			t.Fatal(got)
		}
		if got := c.calls(10, unary, "fail", "14"); got.failed() != 10 {
			t.Fatal(got)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("reported: %v succeeded, %v failed", edge(t, p, "succeeded"), edge(t, p, "failed"))
			}
		})
		eventually(t, "the loads are reported", func() bool {
			return edge(t, p, "succeeded") == 30 && edge(t, p, "failed") == 10
		})
	})
}

// edge is how many calls from web to echo ended in a way, by the agent's metrics.
func edge(t *testing.T, p *plane, result string) (sum float64) {
	t.Helper()
	families, err := p.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "enmesh_agent_edge_calls_total" && labels["result"] == result &&
				labels["source"] == "web" && strings.HasPrefix(labels["destination"], "echo.") {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
