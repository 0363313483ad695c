// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
)

// TestScenarioPolicyInConsul: policy is among Consul's keys, beside files. Changes apply, a
// mistake is refused and named by key, line and field, and while Consul is down, and when it
// has come back with nothing, the last good policy serves.
func TestScenarioPolicyInConsul(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{})
	s := newStreet(t, "shop")
	rule := func(version string) string {
		return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec:\n  hosts: [shop]\n  http:\n  - route: [{destination: {host: shop, subset: " + version + "}}]\n"
	}
	town := newTown(t, "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: shop}\n"+
		"spec: {host: shop, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]}\n")
	registry, err := consul.New(consul.Config{Address: node.Addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() }) // it never fails
	folder, err := registry.Folder("mesh/policy")
	if err != nil {
		t.Fatal(err)
	}
	options := []mesh.Option{
		mesh.WithResolver(discovery.NewStatic(s.web)), mesh.WithPolicies(town.policies), mesh.WithPolicySource(folder),
		mesh.WithSnapshotDir(t.TempDir()),
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if m, err := mesh.Open(ctx, options...); err == nil || !strings.Contains(err.Error(), `folder "mesh/policy/"`) {
		t.Errorf("opened without the folder: %v, %v", m, err)
	}
	node.KVPut("mesh/policy/shop.yaml", rule("v1"))
	m := opened(t, options...)
	client := town.client(m)
	serves := func(version string) {
		t.Helper()
		consultest.Await(t, time.Minute, func() error {
			got, err := get(t.Context(), client, "http://shop/")
			if err == nil && !strings.HasPrefix(got, "shop "+version) {
				return &wrong{got, version}
			}
			return err
		})
	}
	refuses := func(parts ...string) {
		t.Helper()
		consultest.Await(t, time.Minute, func() error {
			err := m.Status().Policy.Err
			for _, part := range parts {
				if err == nil || !strings.Contains(err.Error(), part) {
					return &wrong{"policy error " + textOf(err), part}
				}
			}
			return nil
		})
	}
	serves("v1")
	node.KVPut("mesh/policy/shop.yaml", rule("v2"))
	serves("v2")
	node.KVPut("mesh/policy/shop.yaml", rule("v4"))
	refuses("policy: consul:mesh/policy/shop.yaml:7:40: VirtualService \"shop\"", "spec.http[0].route[0].destination.subset", "v4")
	serves("v2")
	node.KVPut("mesh/policy/shop.yaml", rule("v3"))
	serves("v3")
	refuses()

	node.Kill()
	refuses("a source fails", "unreachable")
	serves("v3")
	first, before := m, client
	m = opened(t, options...) // another process, say, while Consul is down
	client = town.client(m)
	serves("v3")
	refuses("a source fails", "unreachable")
	m, client = first, before
	node.Restart() // it has forgotten all
	refuses("there is no such folder")
	serves("v3")
	node.KVPut("mesh/policy/shop.yaml", rule("v3")) // as it was: the error is over
	consultest.Await(t, time.Minute, func() error { return m.Status().Policy.Err })
	node.KVPut("mesh/policy/shop.yaml", rule("v1"))
	serves("v1")
}

// wrong is something else than was wanted.
type wrong struct{ got, want string }

func (w *wrong) Error() string { return "got " + w.got + ", want " + w.want }

func textOf(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
