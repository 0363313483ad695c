// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// TestServer_forgetsConnectionsThatAreOver: what a plain configuration looks after is gone
// some time after its connections, though nobody tells it of their end.
func TestServer_forgetsConnectionsThatAreOver(t *testing.T) {
	t.Parallel()
	d, err := ca.NewDevelopment("mesh.test", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := d.Source("default", "web")
	if err != nil {
		t.Fatal(err)
	}
	v := newServer(own, nil)
	served, cfg := v.base(), Client(own, security.InTrustDomain("mesh.test"))
	for range 20 {
		near, far := net.Pipe()
		server, client := tls.Server(far, served.Clone()), tls.Client(near, cfg)
		done := make(chan error, 1)
		go func() { done <- server.HandshakeContext(t.Context()) }()
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		_, _ = near.Close(), far.Close()
	}
	if v.live.Len() == 0 {
		t.Fatal("no connection was looked after")
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); v.live.Len() > 0; <-tick.C {
		runtime.GC()
		if time.Now().After(end) {
			t.Fatalf("%d connections that are over are looked after", v.live.Len())
		}
	}
}
