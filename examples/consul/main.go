// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command consul runs two services in processes of their own, which register in Consul,
// find each other there, and are replaced one by one while calls go on.
//
//	go run ./examples/consul                       with the Consul that CONSUL_HTTP_ADDR names
//	go run ./examples/consul -consul bin/consul    starts a development agent of its own first
//
// A service alone, for as many instances and machines as you like, is the argument:
//
//	go run ./examples/consul greeter -version v2
//	go run ./examples/consul front -http 127.0.0.1:8080
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
	err := run(context.Background(), os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "consul:", err)
		os.Exit(1)
	}
}

// run is one of the two services, if the first argument names one, else the demonstration.
// The services leave signals to mesh.Run.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "greeter":
			return greeter(ctx, args[1:])
		case "front":
			return front(ctx, args[1:])
		}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return demonstrate(ctx, args, os.Stdout, os.Stderr)
}
