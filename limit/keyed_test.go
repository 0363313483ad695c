// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

func from(addr, identity string) *enmesh.Peer {
	return &enmesh.Peer{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 4711), Identity: identity}
}

// Two calls share a limit or do not.
func TestKeyed_whoSharesALimit(t *testing.T) {
	header := func(v ...string) *enmesh.Call { return &enmesh.Call{Header: enmeshtest.Header{"X-Key": v}} }
	source := func(addr string) *enmesh.Call { return &enmesh.Call{Source: from(addr, "")} }
	both := limit.ByAll(limit.ByMethod(), limit.ByPath())
	tests := []struct {
		name   string
		by     limit.Key
		one    *enmesh.Call
		other  *enmesh.Call
		shares bool
	}{
		{"header", limit.ByHeader("x-key"), header("a"), header("a"), true},
		{"another header", limit.ByHeader("x-key"), header("a"), header("b"), false},
		{"the first value counts", limit.ByHeader("X-KEY"), header("a", "b"), header("a", "c"), true},
		{"no header and an empty one", limit.ByHeader("x-key"), header(), header(""), true},
		{"no headers at all", limit.ByHeader("x-key"), header(), &enmesh.Call{}, true},
		{"method", limit.ByMethod(), &enmesh.Call{Method: "GET"}, &enmesh.Call{Method: "PUT"}, false},
		{"path", limit.ByPath(), &enmesh.Call{Path: "/a"}, &enmesh.Call{Path: "/a/"}, false},
		{"principal", limit.ByPrincipal(), &enmesh.Call{Source: from("10.0.0.1", "spiffe://a/b")}, &enmesh.Call{Source: from("10.0.0.2", "spiffe://a/b")}, true},
		{"no principal", limit.ByPrincipal(), source("10.0.0.1"), &enmesh.Call{}, true},
		{"address", limit.BySource(0, 0), source("10.0.0.1"), source("10.0.0.2"), false},
		{"mapped address", limit.BySource(0, 0), source("10.0.0.1"), source("::ffff:10.0.0.1"), true},
		{"network", limit.BySource(24, 0), source("10.0.0.1"), source("10.0.0.2"), true},
		{"one /64", limit.BySource(0, 0), source("2001:db8::1"), source("2001:db8::ffff:1"), true},
		{"two /64", limit.BySource(0, 0), source("2001:db8::1"), source("2001:db8:0:1::1"), false},
		{"one /48", limit.BySource(0, 48), source("2001:db8::1"), source("2001:db8:0:1::1"), true},
		{"zone", limit.BySource(0, 128), source("fe80::1%eth0"), source("fe80::1%eth1"), true},
		{"no address", limit.BySource(0, 0), &enmesh.Call{}, &enmesh.Call{Source: &enmesh.Peer{}}, true},
		{"all agree", both, &enmesh.Call{Method: "GET", Path: "/a"}, &enmesh.Call{Method: "GET", Path: "/a"}, true},
		{"one differs", both, &enmesh.Call{Method: "GET", Path: "/a"}, &enmesh.Call{Method: "PUT", Path: "/a"}, false},
		{"cut elsewhere", both, &enmesh.Call{Method: "GE", Path: "T/a"}, &enmesh.Call{Method: "GET", Path: "/a"}, false},
		{"function", limit.ByFunc(func(c *enmesh.Call) string { return c.Query }), &enmesh.Call{Query: "a"}, &enmesh.Call{Query: "b"}, false},
		{
			"gRPC's spelling", limit.ByHeader("X-Key"),
			&enmesh.Call{Protocol: enmesh.GRPC, Header: lowerHeader{"x-key": "a"}}, &enmesh.Call{Protocol: enmesh.GRPC, Header: lowerHeader{"x-key": "b"}}, false,
		},
	}
	for _, tt := range tests {
		k := must[*limit.Keyed](t)(limit.NewKeyed(limit.KeyedConfig{By: tt.by, Each: limit.Config{Rate: 1, Burst: 1}}))
		tt.one.Clock, tt.other.Clock = start, start
		if e := refusal(k, tt.one); e != nil {
			t.Errorf("%s: the first call: %v", tt.name, e)
		}
		if e := refusal(k, tt.other); (e != nil) != tt.shares {
			t.Errorf("%s: the second call: %v, want a shared limit: %v", tt.name, e, tt.shares)
		}
	}
}

// lowerHeader is metadata that is asked for by gRPC's spelling, or does not answer.
type lowerHeader map[string]string

func (h lowerHeader) Get(key string) string  { return h[key] }
func (h lowerHeader) Values(string) []string { return nil }
func (h lowerHeader) Set(key, value string)  { h[key] = value }
func (h lowerHeader) Add(key, value string)  { h[key] = value }
func (h lowerHeader) Del(key string)         { delete(h, key) }

// A text that is asked about is the same key as a call's.
func TestKeyed_allowsByText(t *testing.T) {
	k := must[*limit.Keyed](t)(limit.NewKeyed(limit.KeyedConfig{By: limit.ByPath(), Each: limit.Config{Rate: 1, Burst: 1}}))
	_ = refusal(k, &enmesh.Call{Clock: start, Path: "/a"})
	if k.AllowAt(start, "/a", 1) || !k.AllowAt(start, "/b", 1) || !k.AllowAt(start, "/a", 0) {
		t.Error("want /a to be used up, /b not, and no cost to go")
	}
	if k.Keys() != 2 {
		t.Errorf("%d keys, want 2", k.Keys())
	}
}

// When no key may give up its place, the new ones share one limit.
func TestKeyed_overflow(t *testing.T) {
	k := must[*limit.Keyed](t)(limit.NewKeyed(limit.KeyedConfig{
		By: limit.ByPath(), Each: limit.FixedConfig{Limit: 5, Window: time.Hour}, MaxKeys: 1,
	}))
	key := func(i int) string { return time.Duration(i).String() }
	admitted := 0
	for i := range 2000 {
		for range 6 {
			if k.AllowAt(aligned, key(i), 1) {
				admitted++
			}
		}
	}
	if want := 5*k.Keys() + 5; admitted != want {
		t.Errorf("%d admitted, want 5 for each of %d keys and 5 for all others: %d", admitted, k.Keys(), want)
	}
	if got, want := k.Overflowed(), uint64(6*(2000-k.Keys())); got != want {
		t.Errorf("%d calls overflowed, want %d", got, want)
	}
	if !k.AllowAt(aligned.Add(time.Hour), key(1999), 1) {
		t.Error("in the next window a new key finds no place")
	}
}
