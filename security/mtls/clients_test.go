// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

func TestClients_oneConfigurationPerExpectation(t *testing.T) {
	d := newCA(t, ca.Config{})
	c := mtls.NewClients(source(t, d, "web"))
	a, again := c.For(sa("a")), c.For(sa("a"))
	if a != again || a == c.For(sa("b")) {
		t.Error("one ID: want the same configuration for the same ID and another for another")
	}
	if c.For(sa("a"), sa("b")) != c.For(sa("b"), sa("a"), sa("b")) {
		t.Error("the same set of IDs has two configurations")
	}
	if c.For(sa("a"), sa("b")) == c.For(sa("a"), sa("c")) {
		t.Error("two sets of IDs have one configuration")
	}
	var wg sync.WaitGroup
	got := make(chan any, 16)
	for range 16 {
		wg.Go(func() { got <- c.For(sa("new")) })
	}
	wg.Wait()
	close(got)
	first := <-got
	for cfg := range got {
		if cfg != first {
			t.Fatal("callers at the same time got different configurations")
		}
	}
}

func TestClients_acceptWhomTheyName(t *testing.T) {
	d := newCA(t, ca.Config{})
	url := serve(t, mtls.Server(source(t, d, "reviews")))
	c := mtls.NewClients(source(t, d, "web"))
	tests := []struct {
		name string
		ids  []security.ID
		want bool
	}{
		{"it", []security.ID{sa("reviews")}, true},
		{"it among others", []security.ID{sa("ratings"), sa("reviews")}, true},
		{"another", []security.ID{sa("ratings")}, false},
		{"nobody", nil, false},
	}
	for _, tt := range tests {
		if _, err := get(client(t, c.For(tt.ids...), false), url); (err == nil) != tt.want {
			t.Errorf("%s: err = %v, want accepted %t", tt.name, err, tt.want)
		}
	}
}

func TestClients_aKeptOneCostsNothing(t *testing.T) {
	c := mtls.NewClients(source(t, newCA(t, ca.Config{}), "web"))
	id := sa("reviews")
	c.For(id)
	if n := testing.AllocsPerRun(100, func() { c.For(id) }); n > 0 {
		t.Errorf("allocations = %v, want 0", n)
	}
}

func BenchmarkClients_For(b *testing.B) {
	c := mtls.NewClients(source(b, newCA(b, ca.Config{}), "web"))
	id := sa("reviews")
	b.ReportAllocs()
	for b.Loop() {
		c.For(id)
	}
}
