// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"fmt"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// A server tells every client what its catalog says; here of one service.
func ExampleNew() {
	catalog := newScript()
	catalog.set(serviceOf("reviews", "127.0.0.1:9080")...)

	server, err := xds.New(xds.Config{Catalog: catalog})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	l, err := xds.ListenLoopback("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.Serve(l)

	fmt.Println("clients:", len(server.Clients()))
	// Output: clients: 0
}
