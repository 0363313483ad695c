// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

// counted is a resolver with counts.
type counted struct {
	discovery.Resolver
	counts []discovery.Count
}

func (c counted) Counts() []discovery.Count { return c.counts }

func TestCounts_ofAllSources(t *testing.T) {
	none := discovery.NewStatic(nil)
	a := counted{none, []discovery.Count{{Service: "a", Event: "failure", Reason: "timeout", N: 2}, {Service: "a", Event: "answer", N: 7}}}
	b := counted{none, []discovery.Count{{Service: "a", Event: "failure", Reason: "timeout", N: 3}, {Service: "b", Event: "answer", N: 1}}}
	cache, err := discovery.NewCache(discovery.Merge(a, none, discovery.Failover(0, b, none)), discovery.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close() }()
	got := cache.Counts()
	slices.SortFunc(got, func(x, y discovery.Count) int { return strings.Compare(x.Service+x.Event, y.Service+y.Event) })
	want := []discovery.Count{
		{Service: "a", Event: "answer", N: 7},
		{Service: "a", Event: "failure", Reason: "timeout", N: 5},
		{Service: "b", Event: "answer", N: 1},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
