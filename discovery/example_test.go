// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"fmt"

	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleParseLocality() {
	l, err := discovery.ParseLocality("eu/eu-1/rack-a")
	fmt.Println(l.Region, l.Zone, l.SubZone, err)
	l, err = discovery.ParseLocality("eu")
	fmt.Println(l, err)
	// Output:
	// eu eu-1 rack-a <nil>
	// eu <nil>
}

// A service that offers HTTP on one port and gRPC on another.
func ExampleEndpoint_Address() {
	e := discovery.Endpoint{
		Addrs: []string{"10.0.0.1"},
		Ports: []discovery.Port{
			{Name: "http", Number: 80, Target: 8080, Protocol: "http"},
			{Name: "grpc", Number: 9090, Protocol: "grpc"},
		},
	}
	fmt.Println(e.Address(80, "http"))
	fmt.Println(e.Address(0, "grpc"))
	fmt.Println(e.Address(443, ""))
	// Output:
	// [10.0.0.1:8080] true
	// [10.0.0.1:9090] true
	// [] false
}
