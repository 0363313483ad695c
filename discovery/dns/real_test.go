// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/dns"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// TestResolver_overConsulsDNS: a real server, asked for a service's instances with their
// ports, for one that is not there, and for a host's addresses alone.
func TestResolver_overConsulsDNS(t *testing.T) {
	node := consultest.Dev(t, consultest.Config{})
	for i := range 3 {
		node.Register(consultest.Service{
			ID: fmt.Sprintf("web-%d", i), Name: "web", Address: fmt.Sprintf("10.0.0.%d", i+1), Port: 8080 + i, Passing: i + 1,
		})
	}
	r, err := dns.New(dns.Config{Servers: []string{node.DNS}})
	if err != nil {
		t.Fatal(err)
	}
	addrs := func(set []discovery.Endpoint) string {
		var all []string
		for _, e := range set {
			all = append(all, fmt.Sprint(e.Addrs, " ", e.Weight))
		}
		slices.Sort(all)
		return fmt.Sprint(all)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, tt := range []struct{ service, want string }{
		{"_web._tcp.service.consul", "[[10.0.0.1:8080] 1 [10.0.0.2:8081] 2 [10.0.0.3:8082] 3]"},
		{"web.service.consul:80", "[[10.0.0.1:80] 0 [10.0.0.2:80] 0 [10.0.0.3:80] 0]"},
	} {
		set, err := r.Lookup(ctx, tt.service)
		if got := addrs(set); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.service, got, err, tt.want)
		}
	}
	if _, err := r.Lookup(ctx, "nobody.service.consul:80"); !errors.Is(err, discovery.ErrUnknownService) {
		t.Errorf("a service that is not there: %v, want %v", err, discovery.ErrUnknownService)
	}
	node.Kill()
	if set, err := r.Lookup(ctx, "_web._tcp.service.consul"); err == nil {
		t.Errorf("a dead server: got %s, want an error", addrs(set))
	}
}
