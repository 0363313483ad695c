// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/telemetry"
)

func TestWorkloadOf(t *testing.T) {
	labels := map[string]string{
		"app": "reviews", "version": "v2", "service.istio.io/workload-name": "reviews-v2", "topology.istio.io/cluster": "east",
	}
	got := telemetry.WorkloadOf(func(key string) string { return labels[key] }).Canonical()
	want := telemetry.Workload{
		Name: "reviews-v2", App: "reviews", Version: "v2", Cluster: "east",
		CanonicalService: "reviews", CanonicalRevision: "v2",
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWorkload_Canonical(t *testing.T) {
	for _, tt := range []struct{ in, want telemetry.Workload }{
		{telemetry.Workload{}, telemetry.Workload{}},
		{telemetry.Workload{Name: "a"}, telemetry.Workload{Name: "a", CanonicalService: "a", CanonicalRevision: "latest"}},
		{
			telemetry.Workload{App: "a", CanonicalService: "b", Version: "v1", CanonicalRevision: "r2"},
			telemetry.Workload{App: "a", CanonicalService: "b", Version: "v1", CanonicalRevision: "r2"},
		},
	} {
		if got := tt.in.Canonical(); got != tt.want {
			t.Errorf("got %+v, want %+v", got, tt.want)
		}
	}
}

func TestWorkload_WithIdentity(t *testing.T) {
	for id, want := range map[string]string{
		"spiffe://cluster.local/ns/shop/sa/reviews": "shop",
		"spiffe://cluster.local/reviews":            "",
		"":                                          "",
	} {
		got := telemetry.Workload{}.WithIdentity(id)
		if got.Namespace != want || got.Principal != id {
			t.Errorf("%q gives %+v, want namespace %q", id, got, want)
		}
	}
	if got := (telemetry.Workload{Namespace: "own"}).WithIdentity("spiffe://td/ns/shop/sa/a").Namespace; got != "own" {
		t.Errorf("namespace %q, want the workload's own", got)
	}
}
