// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleNew() {
	detector := outlier.New(outlier.Default())
	cluster := balance.NewCluster(balance.ClusterConfig{
		Gates: func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detector.Gate(e)} },
	})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:80"}}, {Addrs: []string{"10.0.0.2:80"}}})

	bad := cluster.Set().Endpoints[0]
	failure := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	for range 5 {
		var a balance.Admission
		if err := bad.Admit(context.Background(), nil, enmesh.Now(), &a); err != nil {
			fmt.Println(err)
			return
		}
		a.Release(enmesh.Result{Err: failure, Outcome: enmesh.Failure, Ended: enmesh.Now()})
	}
	fmt.Println(bad.Addr(), "ready:", bad.Ready())
	// Output: 10.0.0.1:80 ready: false
}
