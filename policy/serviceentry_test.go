// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// se is a ServiceEntry.
func se(meta, spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {" + meta + "}\nspec: {" + spec + "}\n---\n"
}

const p80 = "ports: [{number: 80, name: http, protocol: HTTP}]"

func TestServiceEntry_compiles(t *testing.T) {
	s, err := policy.Load("testdata/entries/external.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range s.Entries {
		fmt.Fprintf(&b, "%s (%s) %s %v %t %v %s\n", e.Host, e.Name, e.Document, e.Resolution, e.External, e.Ports, e.SubjectAltNames)
		for _, one := range e.Endpoints {
			fmt.Fprintf(&b, "  %s %v %d %q %s %s/%s\n", one.Addrs[0], one.Ports, one.Weight, one.Locality.String(), one.EffectiveVersion(), one.Namespace, one.ServiceAccount)
		}
	}
	const ports, targets = "[{http 80 8080 http} {tls 443 0 https} {grpc-web 9000 0 grpc}]", "[{http 80 8081 http} {tls 443 0 https} {grpc-web 9000 0 grpc}]"
	endpoints := "  10.1.0.1 " + targets + ` 3 "eu/a/rack1" v1 shop/payments` + "\n  fd00::1 " + ports + ` 0 "eu/b"  shop/` + "\n"
	want := `db.example.com (db.example.com) ServiceEntry default/db DNS_ROUND_ROBIN true [{tcp 5432 0 tcp}] 
  primary.example.com [{tcp 5432 0 tcp}] 0 ""  default/
*.dynamic.example.com (*.dynamic.example.com) ServiceEntry default/dynamic DYNAMIC_DNS true [{http 80 0 http2}] 
api.example.com (api.example.com) ServiceEntry default/names DNS true [{https 443 0 https}] 
  us.example.com [{https 443 0 https}] 0 ""  default/
  10.2.0.1 [{https 443 0 https}] 0 ""  default/
vms.example.com (vms.example.com) ServiceEntry default/selecting STATIC false [{http 80 0 http}] 
  10.3.0.1 [{http 80 8080 http}] 0 ""  default/vm
*.wild.example.com (*.wild.example.com) ServiceEntry default/wild NONE true [{http 80 0 }] 
payments.example.com (payments.example.com) ServiceEntry shop/payments STATIC false ` + ports + ` spiffe://cluster.local/ns/shop/sa/payments
` + endpoints + "payments.internal (payments.internal) ServiceEntry shop/payments STATIC false " + ports + " spiffe://cluster.local/ns/shop/sa/payments\n" + endpoints
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	wantNotes(t, s, `payments spec.addresses: ignored: calls name hosts: no address stands for one
payments spec.endpoints[0].network: ignored: all networks are one: the address itself is connected to
payments spec.endpoints[2].address: warned: no address, and networks are not told apart: the endpoint is left out
payments spec.endpoints[2].network: ignored: all networks are one: the address itself is connected to
db spec.ports[0].protocol: ignored: enmesh carries HTTP and gRPC only
selecting spec.workloadSelector: approximated: selects among the WorkloadEntries that are loaded: pods are not known
lonely spec: ignored: no ServiceEntry in force selects it: the document has no effect
`)
}

// Of several for one host that of the own namespace goes first, then the earlier; an exact
// host goes before wildcards, and a wildcard outside leaves the mesh its own.
func TestServiceEntry_precedence(t *testing.T) {
	s := parse(t, policy.Loader{Namespace: "web"},
		se("name: a, namespace: shop", "hosts: [a.example.com, b.example.com], "+p80)+
			se("name: b, namespace: web", "hosts: [b.example.com], "+p80)+
			se("name: c, namespace: shop", "hosts: [a.example.com], "+p80)+
			se("name: hidden, namespace: shop", "hosts: [hidden.example.com], exportTo: ['.'], "+p80)+
			se("name: short, namespace: shop", "hosts: [short], "+p80)+
			se("name: wild, namespace: web", "hosts: ['*.example.com', '*.far.example.com', '*.local', '*.shop.svc.cluster.local'], "+p80))
	for key, want := range map[string]string{
		"a.example.com": "shop/a a.example.com", "b.example.com": "web/b b.example.com", "c.example.com": "web/wild *.example.com",
		"x.far.example.com": "web/wild *.far.example.com", "example.com": "", "hidden.example.com": "web/wild *.example.com",
		"short.shop.svc.cluster.local": "shop/short short.shop.svc.cluster.local", "printer.local": "web/wild *.local",
		"any.shop.svc.cluster.local": "web/wild *.shop.svc.cluster.local", "any.web.svc.cluster.local": "",
	} {
		got := ""
		if e := s.Entry(key); e != nil {
			got = strings.TrimPrefix(e.Document, "ServiceEntry ") + " " + e.Host
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	wantNotes(t, s, `a spec.hosts[1]: warned: without effect for host "b.example.com": it is described by ServiceEntry web/b (a.yaml:9), which goes first
c spec.hosts[0]: warned: without effect for host "a.example.com": it is described by ServiceEntry shop/a (a.yaml:4), which goes first
hidden spec.exportTo: ignored: not exported to namespace web, where this process is: the document has no effect
short spec.hosts[0]: warned: a short name, which is read as short.shop.svc.cluster.local; write that, or a name with dots
`)
}

// What an entry adds to how its host is secured.
func TestSnapshot_TLS(t *testing.T) {
	rule := func(host, tls string) string {
		return dr("name: "+strings.TrimSuffix(host, ".example.com"), host, "trafficPolicy: {tls: {"+tls+"}}")
	}
	names := p80 + ", subjectAltNames: [x]"
	s := parse(t, policy.Loader{},
		se("name: out", "hosts: [out.example.com, ruled.example.com, named.example.com, plain.example.com], "+names)+
			se("name: in", "hosts: [in.example.com], location: MESH_INTERNAL, "+names)+
			rule("ruled.example.com", "mode: SIMPLE")+rule("named.example.com", "mode: SIMPLE, subjectAltNames: [y]")+rule("plain.example.com", "mode: DISABLE"))
	for host, want := range map[string]string{"out": "DISABLE ", "in": "AUTO x", "ruled": "SIMPLE x", "named": "SIMPLE y", "plain": "DISABLE ", "other": "AUTO "} {
		got := s.TLS(enmesh.Destination{Service: host + ".example.com"})
		if text := got.Mode.String() + " " + string(got.SubjectAltNames); text != want {
			t.Errorf("%s: got %q, want %q", host, text, want)
		}
		if got.Mode == policy.TLSSimple && !s.UsesTLS(got) {
			t.Errorf("%s: its TLS is not in use", host)
		}
	}
	if s.UsesTLS(policy.TLS{Mode: policy.TLSSimple, SubjectAltNames: "z"}) {
		t.Error("TLS is in use that nobody asks for")
	}
}
