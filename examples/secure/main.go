// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command secure is a small mesh that trusts nobody: two services, over HTTP and gRPC, that
// take mutual TLS only, with certificates that live for seconds; policy that says who may
// call what; and tokens of an issuer of its own that say on whose behalf. It makes calls that
// are allowed and calls that are not, and prints what became of them.
//
//	go run ./examples/secure
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/enmesh-go/enmesh/security/ca"
)

func main() {
	rotate := flag.Duration("rotate", 6*time.Second, "how long to call while certificates are renewed")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *rotate); err != nil {
		fmt.Fprintln(os.Stderr, "secure:", err)
		os.Exit(1)
	}
}

// run starts the services, tries them, and calls on while certificates are renewed.
func run(ctx context.Context, w io.Writer, rotate time.Duration) (err error) {
	out := log.New(w, "", 0)
	var ends cleanups
	defer func() { err = errors.Join(err, ends.run()) }()

	// For development: its root is gone with the process. Certificates live 4 s here.
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{TTL: 4 * time.Second})
	if err != nil {
		return err
	}
	people, err := newIssuer(ctx, &ends)
	if err != nil {
		return err
	}
	policies, err := policiesFor(people, &ends)
	if err != nil {
		return err
	}
	orders, err := startOrders(ctx, authority, policies, &ends)
	if err != nil {
		return err
	}
	payments, err := startPayments(ctx, authority, policies, &ends)
	if err != nil {
		return err
	}
	t := &trial{out: out, authority: authority, people: people, orders: orders, payments: payments, ends: &ends}
	if err := t.open(ctx); err != nil {
		return err
	}
	if err := t.calls(ctx); err != nil {
		return err
	}
	if err := t.explain(ctx); err != nil {
		return err
	}
	return t.rotation(ctx, rotate)
}

// cleanups end what was started, the last first.
type cleanups []func() error

func (c *cleanups) add(f func() error) { *c = append(*c, f) }

func (c *cleanups) run() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}
