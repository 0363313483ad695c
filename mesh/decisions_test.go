// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/mesh"
)

const retried = `{name: again, retries: {attempts: 2, retryOn: "5xx,unavailable", backoff: 1ms}, route: [{destination: {host: reviews}}]}`

// The last calls are told of over both protocols: by which rule, to whom, how often, how
// they ended, and nothing that the caller said besides.
func TestDecisions_bothProtocols(t *testing.T) {
	s := newStreet(t, "reviews")
	dead := discovery.Endpoint{Addrs: []string{"127.0.0.1:1"}}
	for name, protocol := range map[string]enmesh.Protocol{"http": enmesh.HTTP, "grpc": enmesh.GRPC} {
		t.Run(name, func(t *testing.T) {
			live := s.web["reviews"][0]
			if protocol == enmesh.GRPC {
				live = s.rpc["reviews"][0]
			}
			endpoints := map[string][]discovery.Endpoint{"reviews": {live}, "ratings": {dead}}
			m := s.open(t, endpoints, forReviews(`{match: [{uri: {exact: /a.B/Closed}}], directResponse: {status: 503}},`+
				`{match: [{uri: {exact: /a.B/Ratings}}], route: [{destination: {host: ratings}}]},`+retried))
			c := newCaller(t, m)
			header := http.Header{"X-Secret": {"hush"}}
			for _, method := range []string{"Good", "Closed", "Ratings"} {
				c.call(t, mesh.Query{Protocol: protocol, Host: "reviews", Method: "GET", Path: "/a.B/" + method, RawQuery: "token=hush", Header: header})
			}
			c.call(t, mesh.Query{Protocol: protocol, Host: "nobody", Method: "GET", Path: "/a.B/Good"})
			got := map[string]mesh.Decision{}
			for _, d := range m.Decisions("reviews") {
				got[d.Path] = d
			}
			good := got["/a.B/Good"]
			if good.Route != "again" || good.Outcome != "success" || good.Code != "OK" || (good.Status == 200) != (protocol == enmesh.HTTP) || good.Tries != 1 ||
				len(good.Attempts) != 1 || good.Attempts[0].Endpoint != live.Addrs[0] || good.Attempts[0].Version != "v1" || good.Duration <= 0 ||
				!strings.HasSuffix(good.Origin, "policy.yaml:4") || good.At.IsZero() || good.Protocol != name {
				t.Errorf("the good call: %+v", good)
			}
			if closed := got["/a.B/Closed"]; closed.Route != "reviews-0" || closed.Tries != 0 || closed.Code != "UNAVAILABLE" || closed.Policy != "route" {
				t.Errorf("the call that policy answers: %+v", closed)
			}
			dead := got["/a.B/Ratings"]
			if dead.Service != "ratings.default.svc.cluster.local" || dead.Tries < 2 || dead.Outcome != "failure" || dead.Flag == "" {
				t.Errorf("the call to nobody: %+v", dead)
			}
			if all := m.Decisions("ratings"); len(all) != 1 {
				t.Errorf("of ratings: %+v", all)
			}
			if none := m.Decisions("nobody"); len(none) != 1 || none[0].Flag != "NR" {
				t.Errorf("of a host that nobody knows: %+v", none)
			}
			text, err := json.Marshal(m.Decisions(""))
			if err != nil || strings.Contains(string(text), "hush") || strings.Contains(string(text), "ecret") {
				t.Errorf("%v: secrets in %s", err, text)
			}
		})
	}
}

// Each attempt of a call is told, with its own endpoint and end.
func TestDecisions_attempts(t *testing.T) {
	var answers atomic.Int32
	serve := func(version string) discovery.Endpoint {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if answers.Add(1) <= 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)
		return discovery.Endpoint{Addrs: []string{server.Listener.Addr().String()}, Version: version}
	}
	s := &street{t: t}
	m := s.open(t, map[string][]discovery.Endpoint{"reviews": {serve("v1"), serve("v2"), serve("v3")}}, forReviews(retried))
	c := newCaller(t, m)
	c.call(t, mesh.Query{Host: "reviews", Method: "GET", Path: "/x"})
	all := m.Decisions("reviews")
	if len(all) != 1 || len(all[0].Attempts) != 3 || all[0].Tries != 3 || all[0].Outcome != "success" {
		t.Fatalf("got %+v", all)
	}
	versions := map[string]bool{}
	for i, a := range all[0].Attempts {
		want := [...]int{503, 503, 200}[i]
		if a.Number != i+1 || a.Status != want || a.Endpoint == "" || a.Duration <= 0 {
			t.Errorf("attempt %d: %+v", i+1, a)
		}
		versions[a.Version] = true
	}
	if len(versions) != 3 {
		t.Errorf("the attempts went to %v", versions)
	}
}

// What is kept is bounded, by count and by rate, and can be left out.
func TestDecisions_bounds(t *testing.T) {
	s := &street{t: t}
	closed := forReviews(`{directResponse: {status: 200}, match: [{uri: {exact: /good}}]}, {directResponse: {status: 503}}`)
	for n, want := range map[int]int{0: 32, 3: 3, -1: 0} {
		m := s.open(t, nil, closed, mesh.WithDecisions(n))
		c := newCaller(t, m)
		for range 200 {
			c.call(t, mesh.Query{Host: "reviews", Method: "GET", Path: "/bad"})
			c.call(t, mesh.Query{Host: "reviews", Method: "GET", Path: "/good"})
		}
		good, bad := 0, 0
		for _, d := range m.Decisions("reviews") {
			if d.Path == "/good" {
				good++
			} else {
				bad++
			}
		}
		if bad != want || good > want || good > 20 || good == 0 && want > 0 {
			t.Errorf("%d kept: %d failed and %d good, want %d and a few", n, bad, good, want)
		}
	}
	m := s.open(t, nil, "", mesh.WithDecisions(1))
	c := newCaller(t, m)
	for i := range 300 {
		c.call(t, mesh.Query{Host: fmt.Sprintf("s%d", i), Method: "GET", Path: "/"})
	}
	if all := m.Decisions(""); len(all) > 256 || len(all) < 50 {
		t.Errorf("%d decisions of 300 services, want as many as may be recorded, and no more than 256", len(all))
	}
}

// BenchmarkDecisions is a whole call through a chain, to a far side that answers at once,
// with decisions and without.
func BenchmarkDecisions(b *testing.B) {
	for name, n := range map[string]int{"on": 0, "off": -1} {
		b.Run(name, func(b *testing.B) {
			m, err := mesh.Open(b.Context(), mesh.WithDecisions(n))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = m.Close() }()
			b.ReportAllocs()
			for b.Loop() {
				w := enmeshtest.NewWire()
				c := w.Call()
				c.Service, c.Authority, c.Path, c.Method, c.Protocol = "reviews", "reviews", "/a/b", "GET", enmesh.GRPC
				if err := w.Do(b.Context(), m.Outbound()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What is not recorded allocates nothing in a whole call.
func TestDecisions_allocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	on, off := opened(t), opened(t, mesh.WithDecisions(-1))
	for _, m := range []*mesh.Mesh{on, off} {
		for range 100 { // more than are recorded at once
			spent(t, m, "reviews")
		}
	}
	if a, b := spent(t, on, "reviews"), spent(t, off, "reviews"); a > b {
		t.Errorf("a call allocates %v times with decisions, %v without", a, b)
	}
}
