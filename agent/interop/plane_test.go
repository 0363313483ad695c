// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// plane is an agent with a registry and policy of the test's.
type plane struct {
	t        testing.TB
	registry *discovery.Memory
	catalog  *translate.Catalog
	server   *xds.Server
	addr     string
	loads    loads
}

// options are what most tests leave as it is.
type options struct {
	certificates string // provider of workloads
	loadReports  bool
	nacks        bool // clients may refuse
}

// run starts an agent. When the test ends no client may have refused anything.
func run(t testing.TB, opt options) *plane {
	t.Helper()
	p := &plane{t: t, registry: discovery.NewMemory()}
	var err error
	p.catalog, err = translate.New(translate.Config{
		Endpoints: p.registry, Certificates: opt.certificates, LoadReports: opt.loadReports,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := xds.Config{Catalog: p.catalog, Loads: &p.loads, LoadInterval: time.Second, Log: slog.New(slog.DiscardHandler)}
	if p.server, err = xds.New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := xds.ListenLoopback("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- p.server.Serve(l) }()
	p.catalog.Start()
	t.Cleanup(func() {
		if !opt.nacks {
			p.agreed()
		}
		_ = p.server.Close()
		_ = p.catalog.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// agreed fails the test if a client has refused something.
func (p *plane) agreed() {
	for _, c := range p.server.Clients() {
		for _, r := range c.Resources {
			if r.State == xds.Rejected {
				p.t.Errorf("%s (%s) refuses %v %s: %s", c.Node.ID, c.Node.Client, r.Kind, r.Name, r.Error)
			}
		}
	}
}

// policy puts documents in force.
func (p *plane) policy(documents string) {
	p.t.Helper()
	s, err := policy.Parse([]policy.File{{Name: "policy.yaml", Data: []byte(documents)}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.catalog.SetPolicy(s)
}

// workload is who a program is.
type workload struct {
	id, account, zone string
	labels            map[string]string
	certificates      string // a directory
}

type object = map[string]any

// bootstrap writes the bootstrap file of a workload.
func (p *plane) bootstrap(w workload) string {
	p.t.Helper()
	file := object{
		"xds_servers": []object{{"server_uri": p.addr, "channel_creds": []object{{"type": "insecure"}}, "server_features": []string{"xds_v3"}}},
		"node": object{
			"id": w.id, "cluster": "interop", "locality": object{"region": "eu", "zone": w.zone},
			"metadata": object{"namespace": "default", "service_account": w.account, "labels": w.labels},
		},
		"server_listener_resource_name_template": translate.ServerListenerTemplate,
	}
	if w.certificates != "" {
		file["certificate_providers"] = object{"default": object{"plugin_name": "file_watcher", "config": object{
			"certificate_file":    filepath.Join(w.certificates, "cert.pem"),
			"private_key_file":    filepath.Join(w.certificates, "key.pem"),
			"ca_certificate_file": filepath.Join(w.certificates, "ca.pem"),
			"refresh_interval":    "1s",
		}}}
	}
	text, err := json.Marshal(file)
	if err != nil {
		p.t.Fatal(err)
	}
	path := filepath.Join(p.t.TempDir(), "bootstrap.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// client starts a client that has dialled a target: its channel is "".
func (p *plane) client(l language, target string) *program {
	p.t.Helper()
	return p.clientOf(l, target, workload{id: "web", account: "web", zone: "a", labels: map[string]string{"app": "web"}})
}

func (p *plane) clientOf(l language, target string, w workload) *program {
	p.t.Helper()
	c := l.run(p.t, p.bootstrap(w))
	c.do(order{Do: "dial", Target: "xds:///" + target, Secure: w.certificates != ""})
	return c
}

// loads is what clients report.
type loads struct {
	mu   sync.Mutex // guards list
	list []xds.Load
}

// Report implements xds.Loads.
func (l *loads) Report(_ *xds.Node, some []xds.Load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, some...)
}

// sum is all that was reported of the clusters of a service.
func (l *loads) sum(service string) (out xds.Load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.list {
		if strings.Contains(one.Cluster, service) {
			out.Issued += one.Issued
			out.Succeeded += one.Succeeded
			out.Failed += one.Failed
			out.Dropped += one.Dropped
		}
	}
	return out
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
