// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"fmt"

	"github.com/enmesh-go/enmesh/discovery/file"
)

func ExampleParse() {
	services, err := file.Parse("services.yaml", []byte(`
services:
  reviews:
  - address: 10.0.0.1:9080
    labels: {version: v1}
  - address: 10.0.0.2:9080
    labels: {version: v2}
    weight: 3
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range services["reviews"] {
		fmt.Println(e.Addrs[0], e.EffectiveVersion(), e.EffectiveWeight())
	}
	// Output:
	// 10.0.0.1:9080 v1 1
	// 10.0.0.2:9080 v2 3
}

func ExampleParse_mistake() {
	_, err := file.Parse("services.yaml", []byte(`
services:
  reviews:
  - host: 10.0.0.1:9080
`))
	fmt.Println(err)
	// Output:
	// file: services.yaml:4:5: services.reviews[0].host: unknown field; there are address, addresses, ports, weight, priority, locality, labels, version, serviceAccount, namespace, draining and metadata
}
