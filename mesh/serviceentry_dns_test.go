// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/dns"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
)

// TestScenarioServiceEntryOverDNS: the names of ServiceEntries are looked up at a real
// server. What it says later holds; while it is dead, what it said; and a process that starts
// meanwhile serves what another one wrote down.
func TestScenarioServiceEntryOverDNS(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{Keep: true})
	s := newStreet(t, "outside")
	port := portIn(t, s.web["outside"][0].Addrs[0])
	at := func(id, addr string) {
		node.Register(consultest.Service{ID: id, Name: "outside", Address: addr, Port: 1, Passing: 1})
	}
	at("one", "127.0.0.1")
	names, err := dns.New(dns.Config{Servers: []string{node.DNS}, MinTTL: 100 * time.Millisecond, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	town := newTown(t, serviceEntry("out", "hosts: [outside.service.consul, missing.service.consul], ports: [{number: 80, name: http, protocol: HTTP, targetPort: "+port+"}], resolution: DNS"))
	dir := t.TempDir()
	open := func() *mesh.Mesh {
		return opened(t, mesh.WithPolicies(town.policies), mesh.WithDNS(names), mesh.WithSnapshotDir(dir))
	}
	m := open()
	client := town.client(m)
	serves := func() {
		t.Helper()
		if got, err := get(t.Context(), client, "http://outside.service.consul/"); got != "outside v1 / outside.service.consul" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	serves()
	if _, err := get(t.Context(), client, "http://missing.service.consul/"); err == nil || !strings.Contains(err.Error(), "[UH]") {
		t.Errorf("got %v of a name that DNS does not have, want it refused with UH", err)
	}
	reaches := func(n int) {
		t.Helper()
		consultest.Await(t, time.Minute, func() error {
			for _, svc := range m.Status().Services {
				if svc.Service == "outside.service.consul" && svc.Endpoints == n {
					return nil
				}
			}
			return &wrong{"another number of endpoints", "as DNS says"}
		})
	}
	reaches(1)
	at("two", "127.0.0.2")
	reaches(2)
	node.Deregister("two")
	reaches(1)
	node.Kill()
	serves()
	m = open() // in another process, say
	client = town.client(m)
	serves()
}
