// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

// What is announced is what is found.
func TestDefine_comesBackAsItWas(t *testing.T) {
	r := &Registry{process: "12345678"}
	if err := r.cfg.complete(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]discovery.Endpoint{
		"plain": {Addrs: []string{"10.0.0.1:80"}},
		"all": {
			Addrs: []string{"10.0.0.1:9080", "[fd00::1]:9080"}, Weight: 7, Draining: true,
			Locality: discovery.Locality{Region: "eu", Zone: "eu-1"}, Version: "v1",
			Labels:    map[string]string{"version": "v1", "stage": "prod", "app.kubernetes.io/name": "web", "consul-like": "x"},
			Namespace: "shop", ServiceAccount: "web", Metadata: map[string]string{"rack": "7"},
		},
		"ports": {
			Addrs: []string{"10.0.0.1"}, Ports: []discovery.Port{
				{Name: "http", Number: 80, Target: 8080, Protocol: "http"}, {Number: 9090, Protocol: "grpc"},
			},
		},
		"IPv6 first": {Addrs: []string{"[fd00::1]:80", "10.0.0.1:80"}},
	}
	for name, want := range tests {
		def, err := r.define(discovery.Instance{Service: "web", ID: "0", Endpoint: want})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := json.Marshal([]any{map[string]any{"Service": def}})
		if err != nil {
			t.Fatal(err)
		}
		s := r.selection()
		got, err := s.read(bytes.NewReader(text))
		if err != nil || len(got.eps) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		ep := got.eps[0]
		if ep.Metadata[InfoID] != "web-0-12345678" {
			t.Errorf("%s: ID = %q", name, ep.Metadata[InfoID])
		}
		delete(ep.Metadata, InfoID)
		if v := want.Version; v == "" || want.Labels == nil {
			delete(ep.Labels, MetaVersion)
		}
		if want.Draining {
			ep.Weight = want.Weight
		}
		if len(want.Ports) > 0 {
			want.Addrs = []string{"10.0.0.1:8080"} // an address has a port in Consul
		}
		if !ep.Equal(want) {
			t.Errorf("%s: came back as\n%+v, went as\n%+v", name, ep, want)
		}
	}
}

func TestParsePort_readsWhatFormatPortWrites(t *testing.T) {
	for _, p := range []discovery.Port{{Name: "a", Number: 1}, {Name: "b", Number: 65535, Target: 1, Protocol: "grpc"}, {Number: 80, Protocol: "http2"}} {
		name := p.Name
		if name == "" {
			name = "80"
		}
		if got, ok := parsePort(name, formatPort(p)); !ok || got != p {
			t.Errorf("parsePort(formatPort(%+v)) = %+v, %t", p, got, ok)
		}
	}
	for _, text := range []string{"", "0", "65536", "80:", "80:0", "x", "80/udp", "-1", "80:8080:1"} {
		if got, ok := parsePort("x", text); ok {
			t.Errorf("parsePort(%q) = %+v, want a refusal", text, got)
		}
	}
}
