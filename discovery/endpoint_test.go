// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

func TestEndpoint_Address(t *testing.T) {
	var (
		http  = discovery.Port{Number: 9080, Protocol: "http"}
		grpc  = discovery.Port{Number: 9090, Target: 19090, Protocol: "grpc"}
		http2 = discovery.Port{Number: 8443, Protocol: "http2"}
		bare  = discovery.Port{Number: 7000}
		tcp   = discovery.Port{Number: 6000, Protocol: "tcp"}
	)
	tests := []struct {
		name     string
		ports    []discovery.Port
		port     uint16
		protocol string
		want     string // port part; "" is none
	}{
		{"no ports, any service port", nil, 80, "http", "1000"},
		{"no ports, port 0", nil, 0, "", "1000"},
		{"port 0, the only one, whatever it speaks", []discovery.Port{http}, 0, "grpc", "9080"},
		{"port 0, first speaking http", []discovery.Port{grpc, http}, 0, "http", "9080"},
		{"port 0, first speaking grpc", []discovery.Port{http, grpc}, 0, "grpc", "19090"},
		{"port 0, http2 carries grpc", []discovery.Port{http, http2}, 0, "grpc", "8443"},
		{"port 0, http2 carries http", []discovery.Port{grpc, http2}, 0, "http", "8443"},
		{"port 0, the very protocol before one that carries it", []discovery.Port{http2, grpc}, 0, "grpc", "19090"},
		{"port 0, an unlabelled port speaks all", []discovery.Port{http, bare}, 0, "grpc", "7000"},
		{"port 0, any protocol takes the first", []discovery.Port{grpc, bare}, 0, "", "19090"},
		{"port 0, none speaks it", []discovery.Port{http, tcp}, 0, "grpc", ""},
		{"by number", []discovery.Port{http, grpc}, 9090, "grpc", "19090"},
		{"by number, though the label differs", []discovery.Port{http, grpc}, 9080, "grpc", "9080"},
		{"by number, no such", []discovery.Port{http, grpc}, 80, "http", ""},
		{"by number, the only port does not stand in", []discovery.Port{http}, 80, "http", ""},
		{
			"one number for two protocols",
			[]discovery.Port{{Number: 80, Target: 1, Protocol: "http"}, {Number: 80, Target: 2, Protocol: "grpc"}},
			80, "grpc", "2",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := discovery.Endpoint{Addrs: []string{"10.0.0.1:1000", "[fd00::1]:1000"}, Ports: tt.ports}
			var want []string
			if tt.want != "" {
				want = []string{"10.0.0.1:" + tt.want, "[fd00::1]:" + tt.want}
			}
			got, ok := e.Address(tt.port, tt.protocol)
			if !slices.Equal(got, want) || ok != (want != nil) {
				t.Errorf("Address(%d, %q) = %v, %t; want %v", tt.port, tt.protocol, got, ok, want)
			}
		})
	}
}

// What Address chooses has a number.
func TestEndpoint_ServicePort(t *testing.T) {
	both := []discovery.Port{{Number: 9090, Target: 1, Protocol: "grpc"}, {Number: 9080, Target: 2, Protocol: "http"}}
	for _, tt := range []struct {
		ports    []discovery.Port
		protocol string
		want     uint16
	}{
		{both, "http", 9080}, {both, "grpc", 9090}, {both[:1], "http", 9090}, {both, "tcp", 0}, {nil, "http", 0},
	} {
		got, ok := discovery.Endpoint{Addrs: []string{"10.0.0.1"}, Ports: tt.ports}.ServicePort(tt.protocol)
		if got != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s of %v: %d, %t, want %d", tt.protocol, tt.ports, got, ok, tt.want)
		}
	}
}

func TestEndpoint_Address_hostsWithoutPort(t *testing.T) {
	e := discovery.Endpoint{
		Addrs: []string{"reviews.local", "fd00::1", "[fd00::2]"},
		Ports: []discovery.Port{{Number: 80, Target: 8080}},
	}
	want := []string{"reviews.local:8080", "[fd00::1]:8080", "[fd00::2]:8080"}
	if got, ok := e.Address(80, "http"); !ok || !slices.Equal(got, want) {
		t.Errorf("Address = %v, %t; want %v", got, ok, want)
	}
	if got, ok := (discovery.Endpoint{Ports: e.Ports}).Address(80, ""); ok {
		t.Errorf("Address without Addrs = %v, true; want none", got)
	}
}

func TestEndpoint_Equal(t *testing.T) {
	base := func() discovery.Endpoint {
		return discovery.Endpoint{
			Addrs:    []string{"a:1", "b:1"},
			Ports:    []discovery.Port{{Number: 80}},
			Labels:   map[string]string{"version": "v1"},
			Metadata: map[string]string{"k": "v"},
		}
	}
	same := map[string]func(*discovery.Endpoint){
		"weight 1 is weight 0": func(e *discovery.Endpoint) { e.Weight = 1 },
		"version as label":     func(e *discovery.Endpoint) { e.Version = "v1" },
		"a clone":              func(e *discovery.Endpoint) { *e = e.Clone() },
	}
	for name, edit := range same {
		e := base()
		edit(&e)
		if !e.Equal(base()) {
			t.Errorf("%s: not equal", name)
		}
	}
	differ := map[string]func(*discovery.Endpoint){
		"address order": func(e *discovery.Endpoint) { slices.Reverse(e.Addrs) },
		"port":          func(e *discovery.Endpoint) { e.Ports[0].Target = 81 },
		"weight":        func(e *discovery.Endpoint) { e.Weight = 2 },
		"priority":      func(e *discovery.Endpoint) { e.Priority = 1 },
		"locality":      func(e *discovery.Endpoint) { e.Locality.Zone = "a" },
		"label":         func(e *discovery.Endpoint) { e.Labels["x"] = "y" },
		"version":       func(e *discovery.Endpoint) { e.Version = "v2" },
		"account":       func(e *discovery.Endpoint) { e.ServiceAccount = "sa" },
		"namespace":     func(e *discovery.Endpoint) { e.Namespace = "ns" },
		"draining":      func(e *discovery.Endpoint) { e.Draining = true },
		"confirmation":  func(e *discovery.Endpoint) { e.Unconfirmed = true },
		"metadata":      func(e *discovery.Endpoint) { e.Metadata["k"] = "w" },
	}
	for name, edit := range differ {
		e := base()
		edit(&e)
		if e.Equal(base()) {
			t.Errorf("another %s: equal", name)
		}
	}
}

func TestEqualSets(t *testing.T) {
	ep := func(addr string, weight uint32) discovery.Endpoint {
		return discovery.Endpoint{Addrs: []string{addr}, Weight: weight}
	}
	a, b, c := ep("a:1", 1), ep("b:1", 1), ep("c:1", 1)
	tests := []struct {
		name string
		x, y []discovery.Endpoint
		want bool
	}{
		{"nil and empty", nil, []discovery.Endpoint{}, true},
		{"same order", []discovery.Endpoint{a, b}, []discovery.Endpoint{a, b}, true},
		{"other order", []discovery.Endpoint{a, b, c}, []discovery.Endpoint{c, a, b}, true},
		{"one more", []discovery.Endpoint{a}, []discovery.Endpoint{a, b}, false},
		{"another", []discovery.Endpoint{a, b}, []discovery.Endpoint{a, c}, false},
		{"another weight", []discovery.Endpoint{a, b}, []discovery.Endpoint{b, ep("a:1", 2)}, false},
		{"twice is not once", []discovery.Endpoint{a, a, b}, []discovery.Endpoint{a, b, b}, false},
		{"twice in both", []discovery.Endpoint{a, a, b}, []discovery.Endpoint{b, a, a}, true},
	}
	for _, tt := range tests {
		if got := discovery.EqualSets(tt.x, tt.y); got != tt.want {
			t.Errorf("%s: EqualSets = %t, want %t", tt.name, got, tt.want)
		}
		if got := discovery.EqualSets(tt.y, tt.x); got != tt.want {
			t.Errorf("%s: EqualSets the other way = %t, want %t", tt.name, got, tt.want)
		}
	}
}

// TestEqualSets_agreesWithSorting compares sets of few endpoints, some of them many times.
func TestEqualSets_agreesWithSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	draw := func() (set []discovery.Endpoint, sorted []string) {
		for range random.IntN(7) {
			addr := string('a' + rune(random.IntN(3)))
			set, sorted = append(set, discovery.Endpoint{Addrs: []string{addr}}), append(sorted, addr)
		}
		slices.Sort(sorted)
		return set, sorted
	}
	equal := 0
	for range 50_000 {
		x, xs := draw()
		y, ys := draw()
		want := slices.Equal(xs, ys)
		if got := discovery.EqualSets(x, y); got != want {
			t.Fatalf("%v and %v: EqualSets = %t, want %t", x, y, got, want)
		}
		if want {
			equal++
		}
	}
	if equal < 1000 {
		t.Errorf("only %d pairs were equal", equal)
	}
}

func BenchmarkEqualSets(b *testing.B) {
	const n = 10_000
	x := make([]discovery.Endpoint, n)
	for i := range x {
		x[i] = discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255)}}
	}
	y := slices.Clone(x)
	b.Run("same-order", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			discovery.EqualSets(x, y)
		}
	})
	y[n/2].Weight = 2
	b.Run("one-differs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			discovery.EqualSets(x, y)
		}
	})
	y[n/2].Weight = 0
	slices.Reverse(y)
	b.Run("reversed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			discovery.EqualSets(x, y)
		}
	})
}
