// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// FuzzServiceEntry is FuzzParse for what a ServiceEntry and a WorkloadEntry say, which
// whole documents seldom reach.
func FuzzServiceEntry(f *testing.F) {
	f.Add("hosts: [a.example.com, '*.b.example.com'], "+p80+", resolution: STATIC, workloadSelector: {labels: {app: x}}", "address: 10.0.0.1, labels: {app: x}")
	f.Add("hosts: [A.example.com.], ports: [{number: 1, name: a, protocol: tls, targetPort: 2}], resolution: DNS, endpoints: [{address: b.example.com, ports: {a: 3}, locality: a/b}]", "{}")
	f.Add("hosts: ['*.c'], location: MESH_INTERNAL, "+p80+", resolution: DYNAMIC_DNS, subjectAltNames: [x], exportTo: ['.']", "address: unix:///x")
	f.Add("hosts: [a, a.default], "+p80+", resolution: 3, endpoints: [{address: '::1', weight: 4294967295, serviceAccount: b}]", "network: n")
	f.Fuzz(func(t *testing.T, entry, workload string) {
		holdsTogether(t, []byte(se("name: a", entry)+"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: w}\nspec: {"+workload+"}\n"))
	})
}

// entriesHoldTogether holds that each host of a ServiceEntry is found, and that what it
// says of endpoints can be used.
func entriesHoldTogether(t *testing.T, s *policy.Snapshot) {
	t.Helper()
	for _, e := range s.Entries {
		if s.Entry(e.Host) != e {
			t.Fatalf("host %q is not found", e.Host)
		}
		if e.Host == "*" || e.Name == "" || !e.Equal(s.Entry(e.Host)) {
			t.Fatalf("got entry %+v", e)
		}
		if got := s.TLS(enmesh.Destination{Service: e.Host}); e.External && got.Mode == policy.TLSAuto {
			t.Fatalf("%s: automatic mutual TLS with a host outside", e.Host)
		}
		for _, p := range e.Ports {
			if p.Number == 0 || p.Protocol != strings.ToLower(p.Protocol) {
				t.Fatalf("%s: got port %+v", e.Host, p)
			}
		}
		for _, one := range e.Endpoints {
			if _, err := netip.ParseAddr(one.Addrs[0]); len(one.Addrs) != 1 || len(one.Ports) != len(e.Ports) || err != nil && e.Resolution == policy.Static {
				t.Fatalf("%s: got endpoint %+v", e.Host, one)
			}
		}
	}
}
