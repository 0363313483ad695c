// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package app runs bookinfo in one process: four services in six workloads, and an
// ingress before them.
//
//	browser ─► ingress ─► productpage ─► details
//	                          └────────► reviews v1, v2, v3
//	                                        v2 ─► ratings (HTTP)
//	                                        v3 ─► ratings (gRPC)
//
// Each instance is a [Node]: servers on loopback ports of their own, a SPIFFE identity
// of its own, a mesh of its own. Nodes share nothing but what separate processes could
// share as well: a registry, an authority for certificates and a directory of
// policies.
//
//	a, err := app.Start(ctx, app.Config{Policies: "policies", Listen: "127.0.0.1:9080"})
//	if err != nil {
//		return err
//	}
//	fmt.Println("the page is at", a.URL())
//	<-ctx.Done()
//	return a.Close()
package app
