// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/xds"
)

// serverMain serves with grpc-go's servers for xDS, which know nothing of enmesh.
func serverMain() {
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			panic(err)
		}
		addr, err := listen(o.Name)
		a := answer{ID: o.ID, Addr: addr}
		if err != nil {
			a.Error = err.Error()
		}
		_ = out.Encode(a) //nolint:errchkjson // whoever asked may be gone
	}
	os.Exit(0)
}

// listen serves under a name once its listener is known.
func listen(name string) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return "", err
	}
	ready := make(chan struct{})
	once := sync.OnceFunc(func() { close(ready) })
	b := &behaviour{name: name, gate: make(chan struct{})}
	s, err := xds.NewGRPCServer(
		grpc.Creds(creds), grpc.UnknownServiceHandler(b.answer), grpc.ForceServerCodec(raw{}),
		xds.ServingModeCallback(func(_ net.Addr, m xds.ServingModeChangeArgs) {
			if m.Mode == connectivity.ServingModeServing {
				once()
			}
		}),
	)
	if err != nil {
		return "", err
	}
	go func() { _ = s.Serve(l) }()
	<-ready
	return l.Addr().String(), nil
}
