// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// serviceEntry is a document.
func serviceEntry(name, spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
}

// portIn is the port of an address.
func portIn(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Hosts that only ServiceEntries know are called over both protocols, whatever their
// resolution; a host of one goes before the registry.
func TestServiceEntry_calls(t *testing.T) {
	s := newStreet(t, "outside", "registered")
	for name, at := range map[string]map[string][]discovery.Endpoint{"HTTP": s.web, "GRPC": s.rpc} {
		t.Run(name, func(t *testing.T) {
			first, second := at["outside"][0].Addrs[0], at["outside"][1].Addrs[0]
			port := portIn(t, first)
			names := discovery.NewMemory()
			for _, host := range []string{"dns.example.com", "one.example.com"} {
				names.Set(host+":"+port, discovery.Endpoint{Addrs: []string{first}})
			}
			names.Set("east.example.com:"+port, discovery.Endpoint{Addrs: []string{first}})
			for _, host := range []string{"any.dynamic.example", "other.dynamic.example"} {
				names.Set(host+":"+port, discovery.Endpoint{Addrs: []string{first}})
			}
			p80 := "ports: [{number: 80, name: p, protocol: " + name + "}]"
			own := "ports: [{number: " + port + ", name: p, protocol: " + name + "}]"
			m := s.open(t, at,
				serviceEntry("static", "hosts: [static.example.com], "+p80+", resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {p: "+port+"}}]")+
					serviceEntry("target", "hosts: [target.example.com], ports: [{number: 80, name: p, protocol: "+name+", targetPort: "+port+"}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]")+
					serviceEntry("registered", "hosts: [registered], "+p80+", resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {p: "+port+"}}]")+
					serviceEntry("dns", "hosts: [dns.example.com], "+own+", resolution: DNS")+
					serviceEntry("one", "hosts: [one.example.com], "+own+", resolution: DNS_ROUND_ROBIN")+
					serviceEntry("two", "hosts: [two.example.com], "+p80+", resolution: DNS, endpoints: [{address: east.example.com, ports: {p: "+port+"}}]")+
					serviceEntry("dynamic", "hosts: ['*.dynamic.example'], "+own+", resolution: DYNAMIC_DNS")+
					serviceEntry("through", "hosts: ['*.0.0.1'], "+own+", resolution: NONE")+
					serviceEntry("local", "hosts: [localhost], "+own+", resolution: NONE")+
					serviceEntry("selecting", "hosts: [selecting.example.com], location: MESH_INTERNAL, "+p80+", resolution: STATIC, workloadSelector: {labels: {app: web}}")+
					"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm1}\nspec: {address: 127.0.0.1, ports: {p: "+port+"}, labels: {app: web, x: y}}\n---\n"+
					"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm2}\nspec: {address: 127.0.0.2, ports: {p: "+port+"}, labels: {app: db}}\n",
				mesh.WithDNS(names))
			call := s.overHTTP
			if name == "GRPC" {
				call = s.overGRPC
			}
			for _, host := range []string{
				"static.example.com", "static.example.com:80", "target.example.com", "registered", "registered:80", "dns.example.com", "dns.example.com:" + port,
				"one.example.com", "two.example.com", "any.dynamic.example:" + port, "other.dynamic.example", "127.0.0.1:" + port,
				"localhost:" + port, "selecting.example.com",
			} {
				got, _ := call(t, m, request{host: host, target: "/a/b"})
				if want := "outside v1 /a/b " + host; answered(got) != want {
					t.Errorf("%s: got %q, want %q", host, got, want)
				}
			}
			for host, want := range map[string]string{
				"static.example.com:81":                  "[UH]", // the service has no such port
				"missing.dynamic.example:" + port:        "[UH]", // and DNS has no such name
				"127.0.0.1:" + portIn(t, second):         "[UH]", // passed through at the port of the entry only
				"nobody.example.com":                     "[NR]",
				"dynamic.example:" + port:                "[NR]", // not below the wildcard
				"127.0.0.2.example:" + portIn(t, second): "[NR]",
			} {
				if got, _ := call(t, m, request{host: host, target: "/a/b"}); !strings.Contains(got, want) {
					t.Errorf("%s: got %q, want it refused with %s", host, got, want)
				}
			}
		})
	}
}

// Policy brings, changes and takes away: calls go where it says, and the registry has its
// service back at the end.
func TestServiceEntry_reloads(t *testing.T) {
	s := newStreet(t, "shop")
	town := newTown(t)
	m := opened(t, mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{"shop": s.web["shop"][:1]})), mesh.WithPolicies(town.policies))
	client := town.client(m)
	becomes := func(host, want string) {
		t.Helper()
		var got string
		defer func() {
			if t.Failed() {
				t.Logf("last got %q", got)
			}
		}()
		until(t, host+" is "+want, func() bool {
			body, err := get(t.Context(), client, "http://"+host+"/")
			if got = body; err != nil {
				got = err.Error()
			}
			return strings.Contains(got, want)
		})
	}
	at := func(host string, i int) string {
		return serviceEntry(strings.ReplaceAll(host, ".", "-"), "hosts: ["+host+"], ports: [{number: 80, name: p, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {p: "+portIn(t, s.web["shop"][i].Addrs[0])+"}}]")
	}
	becomes("shop", "shop v1")
	becomes("api.example.com", "[NR]")
	town.write("policy.yaml", at("shop", 1)+at("api.example.com", 1))
	becomes("shop", "shop v2")
	becomes("api.example.com", "shop v2")
	town.write("policy.yaml", at("shop", 2)+at("api.example.com", 2))
	becomes("shop", "shop v3")
	becomes("api.example.com", "shop v3")
	town.write("policy.yaml", at("shop", 0)+"---\nkind: [")
	until(t, "the mistake is told", func() bool { return m.Status().Policy.Err != nil })
	becomes("shop", "shop v3")
	town.write("policy.yaml", strings.Replace(at("shop", 1), "hosts:", "exportTo: [elsewhere], hosts:", 1))
	becomes("shop", "shop v1")
	becomes("api.example.com", "[NR]")
}

// Calls to the host of a ServiceEntry are under the rules that others are under.
func TestServiceEntry_takesPolicy(t *testing.T) {
	s := newStreet(t, "outside")
	var endpoints []string
	for i, version := range []string{"v1", "v2"} {
		endpoints = append(endpoints, fmt.Sprintf("{address: 127.0.0.1, ports: {p: %s}, labels: {version: %s}}", portIn(t, s.web["outside"][i].Addrs[0]), version))
	}
	m := s.open(t, nil, serviceEntry("api", "hosts: [api.example.com], ports: [{number: 80, name: p, protocol: HTTP}], resolution: STATIC, endpoints: ["+strings.Join(endpoints, ", ")+"]")+`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec: {host: api.example.com, subsets: [{name: old, labels: {version: v1}}, {name: new, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example.com, front]
  http:
  - match: [{uri: {prefix: /new}}]
    route: [{destination: {host: api.example.com, subset: new}}]
  - route: [{destination: {host: api.example.com, subset: old, port: {number: 80}}}]
`)
	x, err := m.Explain(t.Context(), mesh.Query{Host: "api.example.com", Path: "/"})
	if err != nil || !strings.Contains(x.String(), "ServiceEntry default/api ") {
		t.Errorf("explained without its ServiceEntry: %v, %v", x, err)
	}
	for _, tt := range []struct{ host, target, want string }{
		{"api.example.com", "/new", "outside v2"}, {"api.example.com", "/", "outside v1"}, {"front", "/new", "outside v2"}, {"front:8000", "/x", "outside v1"},
	} {
		if got, _ := s.overHTTP(t, m, request{host: tt.host, target: tt.target}); !strings.HasPrefix(answered(got), tt.want) {
			t.Errorf("%s%s: got %q, want %q", tt.host, tt.target, got, tt.want)
		}
	}
}

// A request over https goes to the port for it, in the caller's own TLS.
func TestServiceEntry_schemes(t *testing.T) {
	tell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS != nil, " ", r.Host) })
	secure, plain := httptest.NewTLSServer(tell), httptest.NewServer(tell)
	defer secure.Close()
	defer plain.Close()
	town := newTown(t, serviceEntry("two", "hosts: [example.com], resolution: STATIC, "+
		"ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: https, protocol: HTTPS}], "+
		"endpoints: [{address: 127.0.0.1, ports: {http: "+portIn(t, plain.Listener.Addr().String())+", https: "+portIn(t, secure.Listener.Addr().String())+"}}]"))
	m := town.open("productpage", "v1") // with certificates of the mesh
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	transport := meshhttp.NewTransport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, m.Outbound(), m)
	defer transport.Close()
	for url, want := range map[string]string{
		"http://example.com": "false example.com", "https://example.com": "true example.com",
		"http://example.com:80": "false example.com:80", "https://example.com:443": "true example.com:443",
	} {
		if got, err := get(t.Context(), &http.Client{Transport: transport}, url); got != want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", url, got, err, want)
		}
	}
}

// Who answers inside of the mesh must be whom the entry names, else whom its endpoint names;
// a DestinationRule goes before both.
func TestServiceEntry_namesWhoAnswers(t *testing.T) {
	town := newTown(t)
	addr := town.serve("reviews", "v1", nil).Addrs[0]
	entry := func(host, more, endpoint string) string {
		return serviceEntry(strings.TrimSuffix(host, ".example.com"), "hosts: ["+host+"], ports: [{number: 80, name: p, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {p: "+portIn(t, addr)+"}"+endpoint+"}], "+more)
	}
	id := func(account string) string {
		return "subjectAltNames: ['spiffe://cluster.local/ns/default/sa/" + account + "']"
	}
	const internal = "location: MESH_INTERNAL"
	town.write("policy.yaml",
		entry("right.example.com", internal+", "+id("reviews"), "")+
			entry("wrong.example.com", internal+", "+id("ratings"), ", serviceAccount: reviews")+
			entry("account.example.com", internal, ", serviceAccount: reviews")+
			entry("other.example.com", internal, ", serviceAccount: ratings")+
			entry("nobody.example.com", internal, "")+
			entry("ruled.example.com", internal+", "+id("ratings"), "")+
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec: {host: ruled.example.com, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, "+id("reviews")+"}}}\n---\n"+
			entry("asked.example.com", id("reviews"), "")+
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: asked.example.com, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}\n")
	m := town.open("productpage", "v1")
	client := town.client(m)
	for host, good := range map[string]bool{"right": true, "wrong": false, "account": true, "other": false, "nobody": false, "ruled": true, "asked": true} {
		got, err := get(t.Context(), client, "http://"+host+".example.com/")
		if good && (got != "v1" || err != nil) || !good && enmesh.ErrorOf(err) == nil {
			t.Errorf("%s: got %q, %v; want it answered: %v", host, got, err, good)
		}
	}
}

// TLS that the mesh originates believes the entry's names only.
func TestServiceEntry_namesWhoAnswersOutside(t *testing.T) {
	b := newBank(t)
	b.write(t, "root", b.root, nil)
	entry := func(host, san string) string {
		return serviceEntry(strings.ReplaceAll(host, ".", "-"), "hosts: ["+host+"], ports: [{number: 80, name: p, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {p: "+
			portIn(t, b.server.Listener.Addr().String())+"}}], subjectAltNames: ["+san+"]") +
			"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " + strings.ReplaceAll(host, ".", "-") + "}\nspec: {host: " + host +
			", trafficPolicy: {tls: {mode: SIMPLE, sni: api.bank.example, caCertificates: " + filepath.Join(b.dir, "root.pem") + "}}}\n---\n"
	}
	town := newTown(t, entry("good.example.com", "api.bank.example"), entry("bad.example.com", "else.bank.example"))
	client := town.client(town.open("productpage", "v1"))
	if got, err := get(t.Context(), client, "http://good.example.com/"); got != "nobody asks api.bank.example" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := get(t.Context(), client, "http://bad.example.com/"); err == nil {
		t.Errorf("got %q of a host with another name, want it refused", got)
	}
}
