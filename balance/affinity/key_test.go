// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity_test

import (
	"context"
	"net/netip"
	"net/url"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// keyWith runs a call through m and is the key that the far side sees.
func keyWith(m enmesh.Middleware, describe func(*enmesh.Call)) uint64 {
	var key uint64
	w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
		key = c.Key
		return nil
	})
	describe(w.Call())
	if err := w.Do(context.Background(), enmesh.Fixed(false, m)); err != nil {
		panic(err)
	}
	w.Finish(nil)
	return key
}

// header describes a call with the values of one header.
func header(name string, values ...string) func(*enmesh.Call) {
	h := enmeshtest.Header{}
	for _, v := range values {
		h.Add(name, v)
	}
	return func(c *enmesh.Call) { c.Header = h }
}

// The numbers are a promise: processes of all versions agree.
func TestKeyOf(t *testing.T) {
	for value, want := range map[string]uint64{
		"":   0xef46db3751d8e999, // xxHash's own test vectors
		"a":  0xd24ec4f1a98c6e5b,
		"as": 0x1c330fb2d66be179,
	} {
		if got := affinity.KeyOf(value); got != want {
			t.Errorf("KeyOf(%q) = %#x, want %#x", value, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, tt := range []struct {
		name     string
		describe func(*enmesh.Call)
		want     uint64
	}{
		{"x-user", header("X-User", "jason"), affinity.KeyOf("jason")},
		{"X-USER", header("x-user", "jason"), affinity.KeyOf("jason")},
		{"x-user", header("x-user", ""), affinity.KeyOf("")},
		{"x-user", header("x-other", "jason"), 0},
		{"x-user", func(*enmesh.Call) {}, 0},
		{"x-user", func(c *enmesh.Call) { c.Key = 5 }, 5},
		{":authority", func(c *enmesh.Call) { c.Authority = "reviews:9080" }, affinity.KeyOf("reviews:9080")},
		{"Host", func(c *enmesh.Call) { c.Authority = "reviews" }, affinity.KeyOf("reviews")},
		{":path", func(c *enmesh.Call) { c.Path, c.Query = "/a", "b=c" }, affinity.KeyOf("/a")},
		{":method", func(c *enmesh.Call) { c.Method = "PUT" }, affinity.KeyOf("PUT")},
		{":method", func(*enmesh.Call) {}, 0},
	} {
		if got := keyWith(affinity.Header(tt.name), tt.describe); got != tt.want {
			t.Errorf("header %s: key %#x, want %#x", tt.name, got, tt.want)
		}
	}
	m := affinity.Header("x-tag")
	ab, ba, a := keyWith(m, header("x-tag", "a", "b")), keyWith(m, header("x-tag", "b", "a")), keyWith(m, header("x-tag", "a"))
	if ab != ba || ab == a || ab == 0 {
		t.Errorf("keys of a,b and b,a and a are %#x, %#x and %#x, want the first two equal", ab, ba, a)
	}
}

func TestQuery(t *testing.T) {
	for _, tt := range []struct {
		query string
		want  uint64
	}{
		{"user=jason", affinity.KeyOf("jason")},
		{"a=b&user=jason&user=other", affinity.KeyOf("jason")},
		{"user=a%20b", affinity.KeyOf("a b")},
		{"user=a+b", affinity.KeyOf("a b")},
		{"us%65r=x", affinity.KeyOf("x")},
		{"user=%zz", affinity.KeyOf("%zz")},
		{"user=", affinity.KeyOf("")},
		{"user", affinity.KeyOf("")},
		{"&&user=x", affinity.KeyOf("x")},
		{"User=x", 0},
		{"userid=x", 0},
		{"", 0},
	} {
		got := keyWith(affinity.Query("user"), func(c *enmesh.Call) { c.Query = tt.query })
		if got != tt.want {
			t.Errorf("query %q: key %#x, want %#x", tt.query, got, tt.want)
		}
	}
}

func TestSourceAddress(t *testing.T) {
	from := func(addr string) func(*enmesh.Call) {
		return func(c *enmesh.Call) {
			c.Side = enmesh.Server
			c.Source = &enmesh.Peer{Addr: netip.MustParseAddrPort(addr)}
		}
	}
	m := affinity.SourceAddress(netip.MustParseAddr("10.0.0.7"))
	for name, tt := range map[string]struct {
		describe func(*enmesh.Call)
		want     uint64
	}{
		"peer":            {from("10.0.0.1:5555"), affinity.KeyOf("10.0.0.1")},
		"peer in IPv6":    {from("[::ffff:10.0.0.1]:80"), affinity.KeyOf("10.0.0.1")},
		"peer with zone":  {from("[fe80::1%eth0]:80"), affinity.KeyOf("fe80::1")},
		"own":             {func(*enmesh.Call) {}, affinity.KeyOf("10.0.0.7")},
		"peer not known":  {func(c *enmesh.Call) { c.Source = &enmesh.Peer{} }, 0},
		"another process": {from("10.0.0.7:1"), affinity.KeyOf("10.0.0.7")},
	} {
		if got := keyWith(m, tt.describe); got != tt.want {
			t.Errorf("%s: key %#x, want %#x", name, got, tt.want)
		}
	}
	found := affinity.SourceAddress(netip.Addr{})
	one, two := keyWith(found, func(*enmesh.Call) {}), keyWith(affinity.SourceAddress(netip.Addr{}), func(*enmesh.Call) {})
	if one == 0 || one != two {
		t.Errorf("this machine's keys are %#x and %#x, want the same, not 0", one, two)
	}
}

// The policies give a call its key without an allocation.
func TestKeys_allocateNothing(t *testing.T) {
	read, err := affinity.Cookie(affinity.CookieConfig{Name: "user", Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, *enmesh.Call) error { return nil }
	c := &enmesh.Call{
		Query:  "a=b&user=jason",
		Header: enmeshtest.Header{"X-User": {"jason"}, "Cookie": {"a=b; user=jason"}},
		Source: &enmesh.Peer{Addr: netip.MustParseAddrPort("10.0.0.1:5555")},
	}
	for name, m := range map[string]enmesh.Middleware{
		"header": affinity.Header("X-User"),
		"query":  affinity.Query("user"),
		"source": affinity.SourceAddress(netip.Addr{}),
		"cookie": read,
	} {
		next := m(nothing)
		if got := testing.AllocsPerRun(1000, func() { _ = next(context.Background(), c) }); got != 0 {
			t.Errorf("%s allocates %v times, want 0", name, got)
		}
		if c.Key == 0 {
			t.Errorf("%s found no key", name)
		}
	}
}

func BenchmarkHeader(b *testing.B) {
	next := affinity.Header("X-User")(func(context.Context, *enmesh.Call) error { return nil })
	c := &enmesh.Call{Header: enmeshtest.Header{"X-User": {"jason"}}}
	b.ReportAllocs()
	for b.Loop() {
		_ = next(context.Background(), c)
	}
}

// What net/url reads, Query reads the same.
func FuzzParameter(f *testing.F) {
	f.Add("user=jason&a=b", "user")
	f.Add("a&&=b&us%65r=%zz", "user")
	f.Add("user=a+b%20c&user", "user")
	f.Fuzz(func(t *testing.T, query, name string) {
		got, ok := affinity.Parameter(query, name)
		values, err := url.ParseQuery(query)
		if err != nil {
			return // net/url drops what it cannot decode
		}
		if ok != values.Has(name) || got != values.Get(name) {
			t.Errorf("%q in %q: %q %t, want %q %t", name, query, got, ok, values.Get(name), values.Has(name))
		}
	})
}
