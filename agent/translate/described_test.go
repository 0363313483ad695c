// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"context"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointpb "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
)

// anywhere is a DNS in which every name is 10.9.9.9.
type anywhere struct{}

func (anywhere) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	_, port, _ := net.SplitHostPort(service)
	set := []discovery.Endpoint{{Addrs: []string{"10.9.9.9:" + port}}}
	return discovery.NewStatic(map[string][]discovery.Endpoint{service: set}).Watch(ctx, service)
}

// entry is a ServiceEntry.
func entry(name, spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
}

// wantAddresses waits until a node has these endpoints of a cluster: what is in a document
// does not wait for DNS.
func wantAddresses(t *testing.T, c *translate.Catalog, n *agentxds.Node, cluster, want string) {
	t.Helper()
	got := make(chan agentxds.Resource, 100)
	stop := watch(c, n, agentxds.Endpoints, cluster, func(r agentxds.Resource) { got <- r })
	defer stop()
	var last string
	hang := time.After(30 * time.Second)
	for {
		select {
		case r := <-got:
			var made endpointpb.ClusterLoadAssignment
			if err := r.Body.UnmarshalTo(&made); err != nil {
				t.Fatal(err)
			}
			if last = addressesIn(&made); last == want {
				return
			}
		case <-hang:
			t.Errorf("%s has %q, want %q", cluster, last, want)
			return
		}
	}
}

func addressesIn(made *endpointpb.ClusterLoadAssignment) string {
	var out []string
	for _, l := range made.GetEndpoints() {
		for _, e := range l.GetLbEndpoints() {
			a := e.GetEndpoint().GetAddress().GetSocketAddress()
			out = append(out, fmt.Sprintf("%s:%d", a.GetAddress(), a.GetPortValue()))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Each resolution becomes endpoints that a client can connect to; a host of a ServiceEntry
// goes before the registry.
func TestServiceEntry_endpoints(t *testing.T) {
	names := discovery.NewMemory()
	names.Set("api.example.com:443", discovery.Endpoint{Addrs: []string{"10.1.0.1:443"}}, discovery.Endpoint{Addrs: []string{"10.1.0.2:443"}})
	names.Set("one.example.com:80", discovery.Endpoint{Addrs: []string{"10.2.0.1:80"}}, discovery.Endpoint{Addrs: []string{"10.2.0.2:80"}})
	names.Set("east.example.com:8080", discovery.Endpoint{Addrs: []string{"10.3.0.1:8080"}})
	names.Set("x.bar.com:80", discovery.Endpoint{Addrs: []string{"10.4.0.1:80"}})
	const grpc80 = "ports: [{number: 80, name: grpc, protocol: GRPC}]"
	c, registry := open(t, translate.Config{DNS: names},
		entry("static", "hosts: [reviews], "+grpc80+", resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {grpc: 9001}}, {address: 127.0.0.1, ports: {grpc: 9002}}, {address: 'fd00::1'}]")+
			entry("dns", "hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS")+
			entry("one", "hosts: [one.example.com], "+grpc80+", resolution: DNS_ROUND_ROBIN")+
			entry("two", "hosts: [two.example.com], "+grpc80+", resolution: DNS, endpoints: [{address: east.example.com, ports: {grpc: 8080}}, {address: 10.3.0.9}]")+
			entry("wild", "hosts: ['*.bar.com'], "+grpc80+", resolution: NONE"))
	registry.Set("reviews", one(1))
	registry.Set("ratings", one(2))
	n := &agentxds.Node{Client: "gRPC Go"}
	for cluster, want := range map[string]string{
		"outbound|80||reviews.default.svc.cluster.local": "127.0.0.1:9001 127.0.0.1:9002 fd00::1:80",
		"outbound|0||reviews.default.svc.cluster.local":  "127.0.0.1:9001 127.0.0.1:9002 fd00::1:80",
		"outbound|81||reviews.default.svc.cluster.local": "",
		"outbound|80||ratings.default.svc.cluster.local": "10.0.0.2:80",
		"outbound|443||api.example.com":                  "10.1.0.1:443 10.1.0.2:443",
		"outbound|80||one.example.com":                   "10.2.0.1:80",
		"outbound|80||two.example.com":                   "10.3.0.1:8080 10.3.0.9:80",
		"outbound|80||x.bar.com":                         "10.4.0.1:80",
	} {
		wantAddresses(t, c, n, cluster, want)
	}
}

// Who may answer: a host outside of the mesh is called in plaintext, one inside shows the
// names of the ServiceEntry, else those of its endpoints; a DestinationRule goes first.
func TestServiceEntry_identities(t *testing.T) {
	const at = "ports: [{number: 80, name: grpc, protocol: GRPC}], resolution: STATIC, endpoints: [{address: 10.0.0.1, serviceAccount: acc}]"
	c, _ := open(t, translate.Config{Certificates: "default"},
		entry("out", "hosts: [out.example.com], "+at+", subjectAltNames: [a.example.com]")+
			entry("in", "hosts: [in.example.com], location: MESH_INTERNAL, "+at)+
			entry("named", "hosts: [named.example.com], location: MESH_INTERNAL, "+at+", subjectAltNames: ['spiffe://x/y']")+
			entry("ruled", "hosts: [ruled.example.com], "+at+", subjectAltNames: ['spiffe://x/y']")+
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec: {host: ruled.example.com, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}\n")
	n := &agentxds.Node{Client: "gRPC Go"}
	for host, want := range map[string]string{
		"out": "", "in": "spiffe://cluster.local/ns/default/sa/acc", "named": "spiffe://x/y", "ruled": "spiffe://x/y",
	} {
		var made clusterpb.Cluster
		if err := resource(t, c, n, agentxds.Cluster, "outbound|80||"+host+".example.com").UnmarshalTo(&made); err != nil {
			t.Fatal(err)
		}
		got := string(made.GetTransportSocket().GetTypedConfig().GetValue())
		if want == "" && got != "" || want != "" && (!strings.Contains(got, want) || strings.Count(got, "spiffe:") != 1) {
			t.Errorf("%s is secured by %q, want %q", host, got, want)
		}
	}
}

// Policy takes a service from the registry and gives it back; what a namespace does not see
// it does not have; and a reload that changes nothing tells nothing.
func TestServiceEntry_comesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const text = "hosts: [a.default.svc.cluster.local], ports: [{number: 80, name: grpc, protocol: GRPC}], resolution: STATIC, endpoints: [{address: 10.7.7.7}]"
		c, registry := open(t, translate.Config{}, "")
		registry.Set("a", one(1))
		var here, there ear
		const cluster = "outbound|80||a.default.svc.cluster.local"
		defer watch(c, &agentxds.Node{Client: "gRPC Go"}, agentxds.Endpoints, cluster, here.hear)()
		defer watch(c, &agentxds.Node{Client: "gRPC Go", Namespace: "shop"}, agentxds.Endpoints, cluster, there.hear)()
		want := func(e *ear, want string, times int) {
			t.Helper()
			synctest.Wait()
			var made endpointpb.ClusterLoadAssignment
			if err := e.last(t).UnmarshalTo(&made); err != nil {
				t.Fatal(err)
			}
			if got := addressesIn(&made); got != want || len(e.all()) != times {
				t.Errorf("got %q, told %d times; want %q, %d", got, len(e.all()), want, times)
			}
		}
		want(&here, "10.0.0.1:80", 1)
		c.SetPolicy(parse(t, entry("a", text+", exportTo: ['.']")))
		want(&here, "10.7.7.7:80", 2)
		want(&there, "10.0.0.1:80", 1)
		c.SetPolicy(parse(t, "# moved\n"+entry("a", text+", exportTo: ['.']")))
		want(&here, "10.7.7.7:80", 2)
		c.SetPolicy(parse(t, entry("a", text)))
		want(&there, "10.7.7.7:80", 2)
		registry.Set("a", one(3))
		want(&here, "10.7.7.7:80", 2)
		c.SetPolicy(parse(t, ""))
		want(&here, "10.0.0.3:80", 3)
		want(&there, "10.0.0.3:80", 3)
	})
}

// An unmodified client calls hosts that only ServiceEntries know.
func TestServiceEntry_calls(t *testing.T) {
	_, port, _ := net.SplitHostPort(backend(t, "outside"))
	names := discovery.NewMemory()
	names.Set("api.example.com:"+port, discovery.Endpoint{Addrs: []string{"127.0.0.1:" + port}})
	c, _ := open(t, translate.Config{DNS: names},
		entry("static", "hosts: [static.example.com], ports: [{number: 80, name: grpc, protocol: GRPC}], resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {grpc: "+port+"}}]")+
			entry("dns", "hosts: ['*.example.com'], ports: [{number: "+port+", name: grpc, protocol: GRPC}], resolution: NONE"))
	p := servePlane(t, c)
	for _, target := range []string{"static.example.com:80", "static.example.com", "api.example.com:" + port} {
		if who, err := call(t, p.dial(t, target), "/a/b"); who != "outside" || err != nil {
			t.Errorf("%s: got %q, %v", target, who, err)
		}
	}
	if _, err := call(t, p.dial(t, "www.example.org:80"), "/a/b"); status.Code(err) != codes.Unavailable {
		t.Errorf("a host that no entry has: got %v, want UNAVAILABLE", err)
	}
	if nacks := p.rejected(); len(nacks) > 0 {
		t.Errorf("rejected: %q", nacks)
	}
}
