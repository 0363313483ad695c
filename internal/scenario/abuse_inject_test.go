// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// injected are texts that end a line, or a string, where they are taken as they come.
var injected = []string{"a\r\nx-injected: 1", "a\nx-injected: 1", "a\rx-injected: 1", "a\x00b", "a\r\n\r\nGET /evil HTTP/1.1\r\n\r\n"}

// injections are the places where a policy writes what somebody else may have chosen.
var injections = map[string]func(c *enmesh.Call, text string){
	"trace id":    func(c *enmesh.Call, text string) { c.Header.Set("Traceparent", text) },
	"tenant":      func(c *enmesh.Call, text string) { c.Header.Set("X-Tenant", text) },
	"identity":    func(c *enmesh.Call, text string) { c.Header.Add("X-Jwt-Payload", text) },
	"authority":   func(c *enmesh.Call, text string) { c.Authority = text },
	"header name": func(c *enmesh.Call, text string) { c.Header.Set(text, "1") },
}

// webInjections are those that gRPC has not: a call's path is in its code.
var webInjections = map[string]func(c *enmesh.Call, text string){
	"path":  func(c *enmesh.Call, text string) { c.Path = "/" + text },
	"query": func(c *enmesh.Call, text string) { c.Query = text },
}

// TestScenarioR7_injection: nothing that a policy writes becomes a header, or a request, of
// its own. It is refused before anything is sent, and nobody is blamed; a path is escaped.
func TestScenarioR7_injection(t *testing.T) {
	ledger.Baseline(t)
	for _, kind := range []string{"HTTP/1.1", "HTTP/2", "gRPC"} {
		for place, write := range placesOf(kind) {
			t.Run(kind+", "+place, func(t *testing.T) {
				for _, text := range injected {
					inject(t, kind, place, func(c *enmesh.Call) { write(c, text) })
				}
			})
		}
	}
}

func placesOf(kind string) map[string]func(*enmesh.Call, string) {
	all := map[string]func(*enmesh.Call, string){}
	for name, f := range injections {
		all[name] = f
	}
	if kind != "gRPC" {
		for name, f := range webInjections {
			all[name] = f
		}
	}
	return all
}

func inject(t *testing.T, kind, place string, write func(*enmesh.Call)) {
	t.Helper()
	var g *fortress
	seen := ""
	if kind == "gRPC" {
		g = rpcTarget(t, false)
	} else {
		g = webTarget(t, false)
		g.look = func(r *http.Request) { seen = r.Method + " " + r.RequestURI + " " + r.Header.Get("X-Injected") }
	}
	w := newTown(t, balance.ConnectionConfig{}, g.addr)
	w.chain = []enmesh.Middleware{func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			write(c)
			err := next(ctx, c)
			if err != nil && enmesh.OutcomeOf(err) == enmesh.Failure {
				t.Errorf("%s: the endpoint is blamed for %v", place, err)
			}
			return err
		}
	}}
	var err error
	if kind == "gRPC" {
		_, err = w.stub().Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	} else {
		var resp *http.Response
		resp, err = w.client(kind == "HTTP/2").Get("http://" + shop + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	ran := g.ran.Load()
	switch {
	case place == "path" && ran <= 1 && !strings.ContainsAny(seen, "\r\n\x00") && !strings.HasSuffix(seen, "1"):
	case err == nil || ran != 0:
		t.Errorf("got %v, and %d requests came: %q; want an error and none", err, ran, seen)
	}
}
