// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/security/ca"
)

// trial makes calls, and prints what became of them. What is not as it must be is an error.
type trial struct {
	out              *log.Logger
	authority        *ca.Development
	people           *issuer
	orders, payments *service
	ends             *cleanups

	web, cron *caller
}

// open starts the callers: web, that policy knows, and cron, that it does not.
func (t *trial) open(ctx context.Context) (err error) {
	endpoints := map[string][]discovery.Endpoint{"orders": {t.orders.endpoint()}, "payments": {t.payments.endpoint()}}
	if t.web, err = openCaller(ctx, "web", t.authority, endpoints, t.ends); err != nil {
		return err
	}
	t.cron, err = openCaller(ctx, "cron", t.authority, endpoints, t.ends)
	return err
}

// calls are the calls that are allowed, and those that are not.
func (t *trial) calls(ctx context.Context) error {
	tokens := map[string]string{"nobody": ""}
	for name, of := range map[string]struct {
		life  time.Duration
		roles []string
	}{
		"ann": {time.Hour, []string{"buyer"}}, "bob": {time.Hour, []string{"guest"}}, "eve, late": {-time.Minute, []string{"buyer"}},
	} {
		token, err := t.people.token(strings.TrimSuffix(name, ", late"), of.life, of.roles...)
		if err != nil {
			return err
		}
		tokens[name] = token
	}
	tokens["mallory"] = tokens["bob"][:len(tokens["bob"])-4] + "AAAA" // the signature is not the issuer's
	for _, c := range []struct {
		by           *caller
		name         string
		method, path string
		person       string
		want         string
	}{
		{t.web, "web", "GET", "/orders/7", "nobody", "200 order 7"},
		{t.web, "web", "POST", "/orders", "ann", "201 an order for ann"},
		{t.web, "web", "POST", "/orders", "bob", "403 RBAC: access denied"},
		{t.web, "web", "POST", "/orders", "nobody", "403 RBAC: access denied"},
		{t.web, "web", "POST", "/orders", "eve, late", "401 "},
		{t.web, "web", "POST", "/orders", "mallory", "401 "},
		{t.web, "web", "GET", "/orders/ledger", "ann", "403 RBAC: access denied"},
		{t.web, "web", "GET", "/orders/x/../ledger", "ann", "403 RBAC: access denied"},
		{t.cron, "cron", "GET", "/orders/7", "nobody", "403 RBAC: access denied"},
	} {
		got, err := c.by.ask(ctx, c.method, c.path, tokens[c.person])
		if err != nil {
			return err
		}
		if err := t.tell(fmt.Sprintf("%-4s %-4s %-19s for %s", c.name, c.method, c.path, c.person), got, c.want); err != nil {
			return err
		}
	}
	return errors.Join(
		t.tell("web  gRPC payments", t.web.pay(ctx), "OK"),
		t.tell("cron gRPC payments", t.cron.pay(ctx), "PermissionDenied"),
		t.tell("plaintext to orders", t.plaintext(ctx), "no connection"),
	)
}

// tell prints a call and its answer, of which want is the beginning.
func (t *trial) tell(call, got, want string) error {
	t.out.Printf("%-44s -> %s", call, strings.TrimSpace(got))
	if !strings.HasPrefix(got, want) {
		return fmt.Errorf("%s: got %q, want %q", call, got, want)
	}
	return nil
}

// plaintext is what becomes of a call without TLS.
func (t *trial) plaintext(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.orders.addr+"/orders/7", http.NoBody)
	if err != nil {
		return err.Error()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := answerOf(client.Do(req))
	if err != nil {
		return "no connection"
	}
	return answer
}

// explain says why one of the calls is denied.
func (t *trial) explain(ctx context.Context) error {
	x, err := t.orders.mesh.ExplainAuthz(ctx, mesh.AuthzQuery{Method: "GET", Path: "/orders/7", Principal: "cluster.local/ns/default/sa/cron"})
	if err != nil {
		return err
	}
	t.out.Printf("\nwhy not cron: %s", x.Reason)
	for _, n := range x.Near {
		t.out.Printf("  %s: %s", n.Policy, n.Why)
	}
	return nil
}

// rotation calls both services a hundred times a second while certificates are renewed.
func (t *trial) rotation(ctx context.Context, length time.Duration) error {
	calls, failed := 0, 0
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		calls += 2
		if got, err := t.web.ask(ctx, "GET", "/orders/7", ""); err != nil || got != "200 order 7" {
			failed++
		}
		if t.web.pay(ctx) != "OK" {
			failed++
		}
	}
	renewed := t.orders.mesh.Status().Identity.Rotations
	t.out.Printf("\n%d calls while the certificate of orders was renewed %d times: %d failed", calls, renewed, failed)
	if failed > 0 || renewed == 0 {
		return fmt.Errorf("%d of %d calls failed, and there were %d rotations", failed, calls, renewed)
	}
	return nil
}
