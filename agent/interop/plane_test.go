// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/discovery"
)

// plane is an agent with a registry and policy of the test's.
type plane struct {
	*agent.Agent
	cfg      agent.Config
	end      func() // ends the agent
	t        testing.TB
	registry *discovery.Memory
	metrics  *prometheus.Registry
	socket   string
	policies string // the directory

	documents string // in force
	bare      bool   // some client has no certificates, though it needs them
}

// run starts an agent. When the test ends no client may have refused anything.
func run(t testing.TB, configure ...func(*agent.Config)) *plane {
	t.Helper()
	dir, err := os.MkdirTemp("", "interop") // shorter than t's: it is for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &plane{t: t, registry: discovery.NewMemory(), socket: filepath.Join(dir, "xds.sock"), policies: t.TempDir()}
	p.cfg = agent.Config{
		Resolver: p.registry, Policies: []string{p.policies}, Socket: p.socket,
		Guard: discovery.Guard{Trust: true}, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range configure {
		f(&p.cfg)
	}
	p.open()
	t.Cleanup(func() {
		p.agreed()
		p.end()
	})
	return p
}

// open starts the agent, also again after end, with metrics that begin anew.
func (p *plane) open() {
	p.t.Helper()
	p.metrics = prometheus.NewRegistry()
	p.cfg.Registry = p.metrics
	a, err := agent.Open(context.Background(), p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Agent = a
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	p.end = func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
		if err := a.Close(); err != nil {
			p.t.Error(err)
		}
	}
}

// agreed fails the test if a client has refused something, now or since the agent began.
func (p *plane) agreed() {
	for _, c := range p.Status().Clients {
		for _, r := range c.Resources {
			if r.State == "rejected" {
				p.t.Errorf("%s (%s) refuses %v %s: %s", c.ID, c.Client, r.Kind, r.Name, r.Error)
			}
		}
	}
	n := p.sum("enmesh_agent_answers_total", "result", "rejected")
	switch {
	case p.bare && n == 0:
		p.t.Error("a client without certificates has refused nothing that needs them")
	case !p.bare && n > 0:
		p.t.Errorf("%v answers of clients refused something", n)
	}
}

// without starts a client that has no certificates where policy needs them: it refuses what
// names them.
func (p *plane) without(l language, target string) *program {
	p.t.Helper()
	p.bare = true
	return p.client(l, target)
}

// sum is what the counters of a name come to that have a label.
func (p *plane) sum(name, label, value string) (sum float64) {
	p.t.Helper()
	families, err := p.metrics.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == label && l.GetValue() == value {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// policy puts documents in force: they are in a file, as an operator would write it.
func (p *plane) policy(documents string) {
	p.t.Helper()
	if documents == p.documents {
		return
	}
	p.documents = documents
	before := p.Status().Policy.Loads
	path := filepath.Join(p.t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(documents), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(path, filepath.Join(p.policies, "policy.yaml")); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, "policy is read", func() bool { return p.Status().Policy.Loads > before })
	if err := p.Status().Policy.Error; err != "" {
		p.t.Fatal(err)
	}
}

// web is the workload that most clients are.
var web = bootstrap.Config{
	NodeID: "web-1", ServiceAccount: "web", Region: "eu", Zone: "a", Labels: map[string]string{"app": "web"}, Refresh: time.Second,
}

// bootstrap writes the bootstrap file of a workload.
func (p *plane) bootstrap(w bootstrap.Config) string {
	p.t.Helper()
	w.Server = p.socket
	path := filepath.Join(p.t.TempDir(), "bootstrap.json")
	if err := w.WriteFile(path); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// client starts a client that has dialled a target: its channel is "".
func (p *plane) client(l language, target string) *program {
	p.t.Helper()
	return p.clientOf(l, target, web)
}

func (p *plane) clientOf(l language, target string, w bootstrap.Config) *program {
	p.t.Helper()
	c := l.run(p.t, p.bootstrap(w))
	c.do(order{Do: "dial", Target: "xds:///" + target, Secure: w.Certificates != ""})
	return c
}

// eventually waits for something.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(20 * time.Millisecond)
	}
}
