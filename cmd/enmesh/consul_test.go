// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// With Consul and nothing else: instances from its catalogue, policy from its keys,
// certificates from its authority.
func TestAgent_onConsul(t *testing.T) {
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
	n.Register(consultest.Service{ID: "reviews-1", Name: "reviews", Address: host, Port: number, Meta: map[string]string{"service-account": "reviews"}})
	n.KVPut("enmesh/policy/reviews.yaml", timeouts+plaintext)
	dir := folder(t)
	socket, certs := filepath.Join(dir, "xds.sock"), filepath.Join(dir, "certs")
	a := start(t, "-consul", n.Addr, "-consul-policies", "enmesh/policy", "-socket", socket, "-snapshots", filepath.Join(dir, "kept"),
		"-ca", "consul", "-issue", certs+"=web")
	boot := filepath.Join(dir, "web.json")
	if err := (bootstrap.Config{Server: socket, NodeID: "web-1", Certificates: certs}).WriteFile(boot); err != nil {
		t.Fatal(err)
	}
	d := newDialer(t, boot, "xds:///reviews")
	if got := d.call(t); got != "ok "+addr+" insecure" {
		t.Errorf("got %q, want an answer of %s", got, addr)
	}
	for deadline := time.Now().Add(hang); ; time.Sleep(50 * time.Millisecond) {
		code, out, messages := enmesh(t, "agent", "status", "-admin", a.admin)
		if code == exitWell && strings.Contains(out, "2 documents") && strings.Contains(out, "reviews") && strings.Contains(out, "/svc/web") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d\n%s%s", code, out, messages)
		}
	}
	if _, err := os.Stat(filepath.Join(certs, "key.pem")); err != nil {
		t.Error(err)
	}
}

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
