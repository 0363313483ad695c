// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command bookinfo runs a small application of four services in six workloads in one
// process, over HTTP and gRPC with mutual TLS, under Istio's policies.
//
//	go run ./examples/bookinfo
//
// A page of it is served at http://127.0.0.1:9080/productpage; a load asks for it, and a
// table on the terminal shows who calls whom and how it goes. The files in policies/
// apply while it runs: copy one of steps/ over them and watch the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bookinfo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}
