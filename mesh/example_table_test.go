// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"fmt"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/mesh"
)

// A routing table in Go code, without policy files: what matches goes to v2, the
// rest is split.
func ExampleNewTable() {
	build := func(*mesh.Store, mesh.Target) ([]enmesh.Middleware, error) { return nil, nil }
	table := mesh.NewTable(enmesh.Naming{}, mesh.Rule{Name: "default", Build: build})
	reviews := func(subset string, weight uint32) mesh.Target {
		return mesh.Target{Destination: enmesh.Destination{Service: "reviews", Subset: subset}, Weight: weight}
	}
	err := table.Swap([]mesh.Host{{
		Names: []string{"reviews.default.svc.cluster.local"},
		Rules: []mesh.Rule{
			{
				Name:  "beta",
				Match: func(c *enmesh.Call) bool { return strings.HasPrefix(c.Path, "/beta/") },
				Split: []mesh.Target{reviews("v2", 1)},
				Build: build,
			},
			{Name: "rest", Split: []mesh.Target{reviews("v1", 100), reviews("v2", 0)}, Build: build},
		},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, call := range []*enmesh.Call{
		{Destination: enmesh.Destination{Service: "reviews"}, Path: "/beta/1"},
		{Destination: enmesh.Destination{Service: "reviews.default"}, Path: "/1"},
		{Destination: enmesh.Destination{Service: "ratings"}, Path: "/1"},
	} {
		r := table.Route(call)
		fmt.Println(r.Name, r.Service, r.Subset)
	}
	// Output:
	// beta reviews v2
	// rest reviews v1
	// default ratings.default.svc.cluster.local
}

// A limit whose configuration stays the same is drained as before after a swap; one
// whose configuration changed is new.
func ExampleKeep() {
	limited := func(rate float64) []mesh.Host {
		return []mesh.Host{{Names: []string{"reviews.default.svc.cluster.local"}, Rules: []mesh.Rule{{
			Name: "limited",
			Build: func(st *mesh.Store, d mesh.Target) ([]enmesh.Middleware, error) {
				bucket, err := mesh.Keep(st, d.Service+"/limit", limit.Config{Rate: rate, Burst: 1}, limit.NewTokenBucket)
				if err != nil {
					return nil, err
				}
				fmt.Println("a token is left:", bucket.Allow())
				return []enmesh.Middleware{bucket.Middleware()}, nil
			},
		}}}}
	}
	table := mesh.NewTable(enmesh.Naming{}, mesh.Rule{})
	for _, rate := range []float64{0.001, 0.001, 0.002} {
		if err := table.Swap(limited(rate)); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// a token is left: true
	// a token is left: false
	// a token is left: true
}
