// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// Instances come from DNS alone: from the SRV records that Consul serves.
func TestAgent_onDNS(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	addr := backend(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	n.Register(consultest.Service{ID: "reviews-1", Name: "reviews", Address: host, Port: number})
	dir := folder(t)
	socket, boot := filepath.Join(dir, "xds.sock"), filepath.Join(dir, "web.json")
	start(t, "-dns", "_%s._tcp.service.consul", "-dns-server", n.DNS, "-policies", write(t, filepath.Join(dir, "p.yaml"), timeouts+plaintext), "-socket", socket)
	if err := (bootstrap.Config{Server: socket, NodeID: "web-1"}).WriteFile(boot); err != nil {
		t.Fatal(err)
	}
	if got := newDialer(t, boot, "xds:///reviews").call(t); got != "ok "+addr+" insecure" {
		t.Errorf("got %q, want an answer of %s", got, addr)
	}
}
