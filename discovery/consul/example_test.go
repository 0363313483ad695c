// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

func ExampleNew() {
	agent := enmeshtest.NewConsul() // speaks Consul's HTTP API
	agent.Set("reviews", enmeshtest.ConsulInstance{ID: "reviews-1", Address: "10.0.0.7", Port: 9080})
	server := httptest.NewServer(agent)
	defer server.Close()

	registry, err := consul.New(consul.Config{Address: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = registry.Close() }() // it never fails
	var _ discovery.Registrar = registry    // for mesh.WithRegistrar
	for eps := range registry.Watch(context.Background(), "reviews") {
		fmt.Println(eps[0].Addrs)
		break
	}
	// Output:
	// [10.0.0.7:9080]
}

func ExampleRegistry_Folder() {
	registry, err := consul.New(consul.Config{Address: "127.0.0.1:8500", Token: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = registry.Close() }() // it is always nil
	folder, err := registry.Folder("mesh/policy")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(folder.Status().Prefix)
	_, err = registry.Folder("/")
	fmt.Println(err)
	// Output:
	// mesh/policy/
	// consul: "" cannot be the name of a folder of keys
}
