// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package entries_test

import (
	"context"
	"fmt"
	"log"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/policy/entries"
)

func ExampleNew() {
	s, err := policy.Parse([]policy.File{{Name: "vm.yaml", Data: []byte(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm}
spec:
  hosts: [vm.example.com]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  resolution: STATIC
  endpoints: [{address: 2.2.2.2, locality: eu/a}]
`)}})
	if err != nil {
		log.Fatal(err)
	}
	r := entries.New(entries.Config{Registry: discovery.NewMemory()})
	r.Set(s)
	for set, err := range r.Watch(context.Background(), "vm.example.com") {
		addrs, _ := set[0].Address(80, "http")
		fmt.Println(addrs, set[0].Locality, err)
		break
	}
	// Output: [2.2.2.2:8080] eu/a <nil>
}
