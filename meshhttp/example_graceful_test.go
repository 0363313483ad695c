// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// A server that says goodbye before it closes: mesh.Run takes these steps by itself.
func ExampleGraceful() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	server := meshhttp.Graceful(meshhttp.NewServer(hello))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{}}
	ask := func() {
		resp, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		fmt.Println(string(text), "closes:", resp.Close, err)
	}
	ask()
	hinting, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	server.Hint(hinting)
	ask()
	fmt.Println(server.Shutdown(context.Background()))
	fmt.Println(<-served)
	// Output:
	// hello closes: false <nil>
	// hello closes: true <nil>
	// <nil>
	// http: Server closed
}
