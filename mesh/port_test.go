// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

// destinationRule is a document for reviews.
func destinationRule(spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: reviews}\nspec: {host: reviews, " + spec + "}\n---\n"
}

// atPorts is endpoints at these ports of the service, each for a protocol ("9080 http"): all
// are the port that the instance has.
func atPorts(t *testing.T, all []discovery.Endpoint, ports ...string) map[string][]discovery.Endpoint {
	t.Helper()
	var out []discovery.Endpoint
	for _, e := range all {
		target, err := strconv.ParseUint(portIn(t, e.Addrs[0]), 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			number, protocol, _ := strings.Cut(p, " ")
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			e.Ports = append(e.Ports, discovery.Port{Number: uint16(n), Target: uint16(target), Protocol: protocol})
		}
		out = append(out, e)
	}
	return map[string][]discovery.Endpoint{"reviews": out}
}

// trait is what of a policy a call can be seen to meet.
type trait struct {
	policy string // in a block of settings
	shown  func(v *visit, host string) bool
}

// The traits that settings of a port may have, each with calls that show whether they hold.
var (
	keyed   = trait{"loadBalancer: {consistentHash: {httpHeaderName: end-user}}", (*visit).keyed}
	bounded = trait{"connectionPool: {http: {http2MaxRequests: 1}}", (*visit).bounded}
	sealed  = trait{"tls: {mode: SIMPLE, credentialName: edge}", (*visit).sealed}
)

// visit is calls of one mesh to a street, over one protocol.
type visit struct {
	*testing.T
	street   *street
	mesh     *mesh.Mesh
	protocol enmesh.Protocol
	caller   *caller
}

// say makes a call, and gives the body of its answer or the text of its error.
func (v *visit) say(host, path string, header ...string) string {
	got, _, err := v.caller.ask(v.T, v.protocol, request{host: host, target: path, header: header})
	if err != nil {
		return err.Error()
	}
	return got
}

// explained is what is said of calls of ann's.
func (v *visit) explained(host string) mesh.Explanation {
	v.Helper()
	return explain(v.T, v.mesh, mesh.Query{Protocol: v.protocol, Host: host, Path: "/a.B/C", Header: http.Header{"End-User": {"ann"}}})
}

// connected has calls without a key reach all instances. A client of gRPC's knows them from
// then on: a key moves as long as connections come.
func (v *visit) connected(host string) {
	v.Helper()
	v.street.take("")
	reached := map[string]bool{}
	until(v.T, "every instance is called", func() bool {
		v.say(host, "/a.B/C")
		for _, h := range v.street.take("") {
			reached[h.who] = true
		}
		return len(reached) == 3
	})
}

func (v *visit) keyed(host string) bool {
	v.connected(host)
	seen := map[string]bool{}
	for range 20 {
		seen[v.say(host, "/a.B/C", "end-user", "ann")] = true
	}
	return len(seen) == 1
}

func (v *visit) bounded(host string) bool {
	v.street.take("")
	held := make(chan string)
	go func() { held <- v.say(host, "/held.A/B") }()
	until(v.T, "the first call is there", func() bool { return len(v.street.take("")) == 1 })
	got := v.say(host, "/a.B/C")
	v.street.release <- struct{}{}
	if first := <-held; !strings.Contains(first, "reviews v") {
		v.Errorf("the call that was there first got %q", first)
	}
	if !strings.Contains(got, "[UO]") && !strings.Contains(got, "reviews v") {
		v.Errorf("one call more got %q, want UO or an answer", got)
	}
	return strings.Contains(got, "[UO]")
}

func (v *visit) sealed(host string) bool {
	got := v.say(host, "/a.B/C")
	if !strings.Contains(got, "are in the secret edge") && !strings.Contains(got, "reviews v") {
		v.Errorf("got %q, want it refused or answered", got)
	}
	return strings.Contains(got, "are in the secret edge")
}

// atPorts runs f for both protocols, whose instances are at these ports of reviews.
func (s *street) atPorts(t *testing.T, documents string, ports []string, f func(v *visit)) {
	t.Helper()
	s.over(t, func(t *testing.T, protocol enmesh.Protocol, all map[string][]discovery.Endpoint) {
		f(newVisit(t, s, protocol, s.open(t, atPorts(t, all["reviews"], ports...), documents)))
	})
}

func newVisit(t *testing.T, s *street, protocol enmesh.Protocol, m *mesh.Mesh) *visit {
	return &visit{t, s, m, protocol, newCaller(t, m)}
}

// over runs f for both protocols, with the endpoints of each.
func (s *street) over(t *testing.T, f func(t *testing.T, protocol enmesh.Protocol, all map[string][]discovery.Endpoint)) {
	t.Helper()
	for name, protocol := range map[string]enmesh.Protocol{"http": enmesh.HTTP, "grpc": enmesh.GRPC} {
		t.Run(name, func(t *testing.T) {
			all := s.web
			if protocol == enmesh.GRPC {
				all = s.rpc
			}
			f(t, protocol, all)
		})
	}
}

// A port's settings, and no others, hold for calls to that port, whether the call names it
// or the route does; and what Explain says of them is what becomes of them.
func TestPortLevelSettings_hold(t *testing.T) {
	s := newStreet(t, "reviews")
	const other = "loadBalancer: {simple: ROUND_ROBIN}"
	port := func(number, settings string) string {
		return ", portLevelSettings: [{port: {number: " + number + "}, " + settings + "}]"
	}
	for name, one := range map[string]trait{"key": keyed, "bound": bounded, "TLS": sealed} {
		for _, tt := range []struct {
			name, spec, to string
			host           string
			want           bool
		}{
			{"the host's, of another port", "trafficPolicy: {" + one.policy + port("9081", other) + "}", "", "reviews:9080", true},
			{"the host's, not of a port", "trafficPolicy: {" + one.policy + port("9081", other) + "}", "", "reviews:9081", false},
			{"the port's", "trafficPolicy: {" + other + port("9081", one.policy) + "}", "", "reviews:9081", true},
			{"the port's, not of another", "trafficPolicy: {" + other + port("9081", one.policy) + "}", "", "reviews:9080", false},
			{"the port's that the route names", "trafficPolicy: {" + other + port("9081", one.policy) + "}", ", port: {number: 9081}", "reviews:9080", true},
			{"the host's, not of the route's port", "trafficPolicy: {" + one.policy + port("9081", other) + "}", ", port: {number: 9081}", "reviews", false},
			{"the subset's port's", "subsets: [{name: all, trafficPolicy: {" + other + port("9081", one.policy) + "}}]", ", subset: all", "reviews:9081", true},
			{"the subset's, not of a port", "subsets: [{name: all, trafficPolicy: {" + one.policy + port("9081", other) + "}}]", ", subset: all", "reviews:9081", false},
		} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				documents := destinationRule(tt.spec) + forReviews("{retries: {attempts: 0}, route: [{destination: {host: reviews"+tt.to+"}}]}")
				s.atPorts(t, documents, []string{"9080", "9081"}, func(v *visit) { v.holds(one, tt.host, tt.want) })
			})
		}
	}
}

// holds checks that a trait holds, or not, and that so it is said.
func (v *visit) holds(one trait, host string, want bool) {
	v.Helper()
	if got := one.shown(v, host); got != want {
		v.Errorf("%q holds for %s: %t, want %t", one.policy, host, got, want)
	}
	x := v.explained(host)
	d := x.Destinations[0]
	key, refused := "", want && one.policy == sealed.policy
	if want && one.policy == keyed.policy {
		key = "header end-user"
	}
	if d.Key != key || (d.Result.Kind == mesh.ResultRefused) != refused {
		v.Errorf("said of %s: key %q, want %q, refused %t\n%s", host, d.Key, key, refused, x)
	}
}

// Calls that name no port, by a route that names none, meet the settings of the port that
// they go to, as far as anybody says which it is.
func TestPortLevelSettings_ofCallsWithoutPort(t *testing.T) {
	s := newStreet(t, "reviews")
	spec := func(port string) string {
		return "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, portLevelSettings: [{port: {number: " + port + "}, " + sealed.policy + "}]}"
	}
	for _, tt := range []struct {
		name, port string
		listed     []string // by instance; nil: they list no ports
		web, rpc   bool     // it holds over HTTP, over gRPC
	}{
		{"the only port", "9080", []string{"9080 http"}, true, true},
		{"not the only port", "80", []string{"9080 http"}, false, false},
		{"of several, HTTP's", "9080", []string{"9090 grpc", "9080 http"}, true, false},
		{"of several, gRPC's", "9090", []string{"9090 grpc", "9080 http"}, false, true},
		{"none that is listed: the scheme's", "80", nil, true, false},
		{"none that is listed: not another", "9080", nil, false, false},
	} {
		for kind, routed := range map[string]string{"": "", ", by a rule": forReviews("{route: [{destination: {host: reviews}}]}")} {
			t.Run(tt.name+kind, func(t *testing.T) {
				s.atPorts(t, destinationRule(spec(tt.port))+routed, tt.listed, func(v *visit) {
					v.holds(sealed, "reviews", v.protocol == enmesh.HTTP && tt.web || v.protocol == enmesh.GRPC && tt.rpc)
				})
			})
		}
	}
	t.Run("instances that differ", func(t *testing.T) {
		all := atPorts(t, s.web["reviews"], "9080")
		all["reviews"][0].Ports[0].Number = 9081
		v := newVisit(t, s, enmesh.HTTP, s.open(t, all, destinationRule(spec("9080"))))
		v.holds(sealed, "reviews", false) // each goes by its own
	})
	t.Run("a ServiceEntry", func(t *testing.T) {
		entry := serviceEntry("reviews", "hosts: [reviews], location: MESH_INTERNAL, ports: [{number: 9080, name: p, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]")
		v := newVisit(t, s, enmesh.HTTP, s.open(t, nil, destinationRule(spec("9080"))+entry))
		v.holds(sealed, "reviews", true)
	})
}

// late is a registry that answers when it is told to.
type late struct {
	discovery.Resolver
	answer chan struct{}
}

func (l late) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	select {
	case <-l.answer:
	case <-ctx.Done():
	}
	return l.Resolver.Watch(ctx, service)
}

// The first calls wait for the registry to say what their port is, as long as their timeout
// lets them.
func TestPortLevelSettings_waitForTheRegistry(t *testing.T) {
	s := newStreet(t, "reviews")
	documents := destinationRule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, portLevelSettings: [{port: {number: 9080}, "+sealed.policy+"}]}") +
		forReviews("{match: [{uri: {prefix: /hasty}}], timeout: 10ms, route: [{destination: {host: reviews}}]}, {route: [{destination: {host: reviews}}]}")
	s.over(t, func(t *testing.T, protocol enmesh.Protocol, all map[string][]discovery.Endpoint) {
		registry := late{discovery.NewStatic(atPorts(t, all["reviews"], "9080")), make(chan struct{})}
		v := newVisit(t, s, protocol, s.open(t, nil, documents, mesh.WithResolver(registry)))
		if got := v.say("reviews", "/hasty.A/B"); !strings.Contains(got, "[UT]") {
			t.Errorf("a call that waits no longer got %q, want UT", got)
		}
		said := make(chan string)
		go func() { said <- v.say("reviews", "/a.B/C") }()
		close(registry.answer)
		if got := <-said; !strings.Contains(got, "are in the secret edge") {
			t.Errorf("got %q, want it refused as its port is", got)
		}
	})
}
