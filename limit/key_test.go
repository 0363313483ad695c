// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"net/netip"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

func TestTextOf(t *testing.T) {
	from := func(addr string) *enmesh.Call {
		return &enmesh.Call{Method: "GET", Path: "/a", Source: &enmesh.Peer{Addr: netip.MustParseAddrPort(addr), Identity: "spiffe://d/ns/n/sa/a"},
			Header: enmeshtest.Header{"X-User": {"ann", "bob"}, "X-Empty": {""}}}
	}
	for _, tt := range []struct {
		name string
		key  limit.Key
		call *enmesh.Call
		text string
		ok   bool
	}{
		{"header, its first value", limit.ByHeader("x-user"), from("10.1.2.3:9"), "ann", true},
		{"an empty header is there", limit.ByHeader("x-empty"), from("10.1.2.3:9"), "", true},
		{"no such header", limit.ByHeader("x-none"), from("10.1.2.3:9"), "", false},
		{"no header at all", limit.ByHeader("x-user"), &enmesh.Call{}, "", false},
		{"method", limit.ByMethod(), from("10.1.2.3:9"), "GET", true},
		{"path", limit.ByPath(), from("10.1.2.3:9"), "/a", true},
		{"principal", limit.ByPrincipal(), from("10.1.2.3:9"), "spiffe://d/ns/n/sa/a", true},
		{"nobody", limit.ByPrincipal(), &enmesh.Call{}, "", false},
		{"address", limit.BySource(0, 128), from("10.1.2.3:9"), "10.1.2.3", true},
		{"address within v6", limit.BySource(0, 0), from("[::ffff:10.1.2.3]:9"), "10.1.2.3", true},
		{"network", limit.BySource(16, 0), from("10.1.2.3:9"), "10.1.0.0/16", true},
		{"network of v6", limit.BySource(0, 0), from("[2001:db8::1]:9"), "2001:db8::/64", true},
		{"no address", limit.BySource(0, 0), &enmesh.Call{Source: &enmesh.Peer{}}, "", false},
		{"several", limit.ByAll(limit.ByHeader("x-user"), limit.ByMethod()), from("10.1.2.3:9"), "3:ann3:GET", true},
		{"several, one missing", limit.ByAll(limit.ByHeader("x-none"), limit.ByMethod()), from("10.1.2.3:9"), "0:3:GET", false},
		{"function", limit.ByFunc(func(c *enmesh.Call) string { return c.Path[1:] }), from("10.1.2.3:9"), "a", true},
	} {
		if text, ok := limit.TextOf(tt.key, tt.call); text != tt.text || ok != tt.ok {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.name, text, ok, tt.text, tt.ok)
		}
	}
}
