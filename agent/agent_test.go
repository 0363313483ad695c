// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"path/filepath"
	"testing"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
)

func TestAgent_servesOverSocketAndLoopback(t *testing.T) {
	registry := discovery.NewMemory()
	registry.Set("reviews", backend(t, "a"))
	socket := filepath.Join(t.TempDir(), "xds.sock")
	a := start(t, agent.Config{Resolver: registry, Socket: socket, Listen: "127.0.0.1:0"})
	for _, server := range []string{"unix://" + socket, a.Addr().String()} {
		if who, err := call(t, dial(t, bootstrap(server, ""), "reviews:9080")); err != nil || who != "a" {
			t.Errorf("over %s: got %q, %v, want a", server, who, err)
		}
	}
	s := a.Status()
	if !s.Ready || len(s.Services) != 1 || s.Services[0].Endpoints != 1 {
		t.Errorf("got %+v, want one service with one endpoint", s)
	}
}
