// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command proxyless shows a mesh whose services know nothing of it: a gRPC service and its
// clients, in Go and in Node, that dial xds:///greeter. One agent gives them discovery,
// routing, certificates, mutual TLS and authorization, by a file of endpoints and Istio's YAML.
//
//	go run ./examples/proxyless -node node
//
// It builds and starts all of them, moves a tenth of the calls to a new version by an edit
// of the YAML, and prints what became of the calls. The programs are in server, client and
// node; this one is what an operator would do by hand.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
)

func main() {
	node := flag.String("node", "", "`program` to run the client in Node with; its packages are in node/package.json. Without it, that client is left out")
	dir := flag.String("dir", "", "`folder` of greeter.proto, policies, server, client and node (default that of this module)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *node, *dir)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxyless:", err)
		os.Exit(1)
	}
}

// run starts everything and tries it. node and dir may be empty.
func run(ctx context.Context, w io.Writer, node, dir string) (err error) {
	out := log.New(w, "", 0)
	if node != "" {
		if node, err = exec.LookPath(node); err != nil {
			return err
		}
	}
	h, err := open(ctx, node, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.startAgent(ctx); err != nil {
		return err
	}
	if err := h.startServers(ctx); err != nil {
		return err
	}
	return (&trial{host: h, out: out}).run(ctx)
}
