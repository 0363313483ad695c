// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// A whole program: a server that is announced once it is ready, and that ends without
// losing a call. Here the context's end stands for SIGTERM.
func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	registry := discovery.NewMemory()
	m, err := mesh.Open(ctx, mesh.WithWorkload(mesh.Workload{Service: "reviews"}), mesh.WithResolver(registry))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	stars := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("five stars")) })
	web := meshhttp.NewServer(meshhttp.NewHandler(stars, m.Inbound()))
	web.TLSConfig = m.ServerTLS()
	err = mesh.Run(ctx, m,
		mesh.Serving{Server: meshhttp.Graceful(web), Protocol: "http", Port: 9080},
		mesh.WithRegistrar(registry),
		mesh.WithTiming(mesh.Timing{Margin: 10 * time.Millisecond}),
		mesh.OnStep(func(s mesh.Step) {
			fmt.Println(s.Name)
			if s.Name == mesh.StepRegister {
				cancel()
			}
		}),
	)
	fmt.Println(err)
	// Output:
	// listen
	// ready
	// register
	// stop
	// not ready
	// deregister
	// propagated
	// hint
	// drain
	// exit
	// <nil>
}
