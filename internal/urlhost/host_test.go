// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package urlhost_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/internal/urlhost"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct{ host, want, name string }{ // want "-": refused
		{"", "", ""},
		{"a.com", "a.com", "a.com"},
		{"a.com:8080", "a.com:8080", "a.com"},
		{"reviews_v2", "reviews_v2", "reviews_v2"},
		{"A.Com:80", "a.com:80", "a.com"},
		{"a.com.", "a.com", "a.com"},
		{"A.com.:80", "a.com:80", "a.com"},
		{"a.com:", "a.com", "a.com"},
		{"a.com:0080", "a.com:80", "a.com"},
		{"127.0.0.1:1", "127.0.0.1:1", "127.0.0.1"},
		{"[::1]", "[::1]", "::1"},
		{"[0:0::1]:08", "[::1]:8", "::1"},
		{"[2001:DB8::A]:80", "[2001:db8::a]:80", "2001:db8::a"},
		{"user@a.com", "-", ""},
		{"a.com:80@b.com", "-", ""},
		{"a.com:x", "-", ""},
		{"a.com:0", "-", ""},
		{"a.com:65536", "-", ""},
		{"a.com:80:80", "-", ""},
		{"a..com", "-", ""},
		{".a.com", "-", ""},
		{"a.com..", "-", ""},
		{".", "-", ""},
		{":80", "-", ""},
		{"a%2ecom", "-", ""},
		{"a.com,b.com", "-", ""},
		{"a.com b", "-", ""},
		{"a.com\x00", "-", ""},
		{"\u00fc.com", "-", ""},
		{"\u212a.com", "-", ""},
		{"a.com/b", "-", ""},
		{`a.com\b`, "-", ""},
		{"[::1", "-", ""},
		{"[::1]x", "-", ""},
		{"[fe80::1%25eth0]", "-", ""},
		{"[fe80::1%eth0]", "-", ""},
		{"[127.0.0.1]", "-", ""},
		{"[]", "-", ""},
	} {
		got, ok := urlhost.Clean(tt.host)
		if ok != (tt.want != "-") || ok && got != tt.want {
			t.Errorf("%q is %q, %v; want %q", tt.host, got, ok, tt.want)
		}
		if ok && urlhost.Name(got) != tt.name {
			t.Errorf("the name of %q is %q, want %q", got, urlhost.Name(got), tt.name)
		}
	}
}

func TestClean_aFineHostCostsNoAllocation(t *testing.T) {
	for _, host := range []string{"reviews.default.svc.cluster.local:9080", "10.0.0.1:80", "a"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = urlhost.Clean(host) }); n != 0 {
			t.Errorf("%q: %.0f allocations, want none", host, n)
		}
	}
}

func BenchmarkClean(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = urlhost.Clean("reviews.default.svc.cluster.local:9080")
	}
}

// FuzzClean holds that a host has one form, and that nothing is left in it that can be read
// in two ways.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"A.com.:080", "[::1]:80", "a:", "user@a", "a..b", ".", "[fe80::1%25x]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, ok := urlhost.Clean(host)
		if !ok {
			return
		}
		if again, ok := urlhost.Clean(got); again != got || !ok {
			t.Fatalf("%q is %q, and again %q, %v", host, got, again, ok)
		}
		if strings.ContainsAny(got, "@%,; /\\\x00ABCDEFGHIJKLMNOPQRSTUVWXYZ") || strings.HasSuffix(urlhost.Name(got), ".") {
			t.Fatalf("%q is %q", host, got)
		}
	})
}
