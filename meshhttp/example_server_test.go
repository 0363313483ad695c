// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// A server bounds what one client can make it hold; a body that is too long is refused
// before the handler runs.
func ExampleNewServer() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	server := meshhttp.NewServer(meshhttp.NewHandler(hello, enmesh.Fixed(false)),
		meshhttp.MaxBody(1<<10), meshhttp.MaxConnections(1000))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	for _, body := range []string{"short", strings.Repeat("long ", 1000)} {
		resp, err := http.Post("http://"+listener.Addr().String(), "text/plain", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		fmt.Println(resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	_ = server.Close()
	<-done
	// Output:
	// 200 OK
	// 413 Request Entity Too Large
}
