// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/credentials"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// open listens for an agent.
func open(t testing.TB, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// openUnix is for the owner alone.
func openUnix(t testing.TB, path string) net.Listener {
	t.Helper()
	l := open(t, "unix", path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAgent_servesOnSocketsOpenedForIt(t *testing.T) {
	authority := development(t, ca.Config{})
	self, err := authority.Source("default", "agent")
	if err != nil {
		t.Fatal(err)
	}
	web, err := authority.Source("default", "web")
	if err != nil {
		t.Fatal(err)
	}
	registry := discovery.NewMemory()
	registry.Set("reviews", backend(t, "a"))
	path := filepath.Join(t.TempDir(), "xds.sock")
	admin, plain, secure := open(t, "tcp", "127.0.0.1:0"), open(t, "tcp", "127.0.0.1:0"), open(t, "tcp", "127.0.0.1:0")
	a := start(t, agent.Config{
		Resolver: registry, Identity: self,
		Socket: path, Listen: plain.Addr().String(), ListenTLS: secure.Addr().String(), Admin: admin.Addr().String(),
		Inherited: []net.Listener{secure, admin, openUnix(t, path), plain}, // in any order
	})
	for _, server := range []string{"unix://" + path, plain.Addr().String()} {
		if who, err := call(t, dial(t, bootstrap(server, ""), "reviews:9080")); err != nil || who != "a" {
			t.Errorf("over %s: got %q, %v, want a", server, who, err)
		}
	}
	if r, err := ask(t, secure.Addr().String(), credentials.NewTLS(mtls.Client(web, account("agent"), mtls.Protocols("h2")))); err != nil || len(r.GetResources()) != 1 {
		t.Errorf("over mutual TLS: got %v, %v, want a listener", r, err)
	}
	r, err := http.Get("http://" + admin.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("/readyz: got %s, want 200", r.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	if a.Addr().String() != plain.Addr().String() || a.AdminAddr().String() != admin.Addr().String() {
		t.Errorf("got %v and %v, want %v and %v", a.Addr(), a.AdminAddr(), plain.Addr(), admin.Addr())
	}
}

func TestOpen_refusesSocketsThatAreNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "xds.sock")
	for name, c := range map[string]struct {
		cfg  agent.Config
		give func() net.Listener
		want string
	}{
		"another path":     {agent.Config{Socket: path}, func() net.Listener { return openUnix(t, filepath.Join(dir, "other.sock")) }, "other.sock, which is none that the agent is to listen at (Socket " + path + ")"},
		"another port":     {agent.Config{Listen: "127.0.0.1:1"}, func() net.Listener { return open(t, "tcp", "127.0.0.1:0") }, "(Listen 127.0.0.1:1)"},
		"open to everyone": {agent.Config{Socket: path}, func() net.Listener { l := open(t, "unix", path); return chmod(t, l, path, 0o666) }, "has mode 0666, and 0600 is the most"},
		"nil":              {agent.Config{Socket: path}, func() net.Listener { return nil }, "Config.Inherited[0] is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			given := c.give()
			c.cfg.Resolver, c.cfg.Inherited = discovery.NewMemory(), []net.Listener{given}
			a, err := agent.Open(t.Context(), c.cfg)
			if err == nil {
				_ = a.Close()
				t.Fatal("got an agent, want an error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
			if given == nil {
				return
			}
			if _, err := given.Accept(); err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("the socket that was given: got %v, want it closed", err)
			}
		})
	}
}

func chmod(t testing.TB, l net.Listener, path string, mode os.FileMode) net.Listener {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return l
}
