// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/mesh"
)

// plain is a rule without middleware.
func plain(name string, split ...mesh.Target) mesh.Rule {
	return mesh.Rule{Name: name, Split: split, Build: func(*mesh.Store, mesh.Target) ([]enmesh.Middleware, error) {
		return nil, nil
	}}
}

func to(service string, weight uint32) mesh.Target {
	return mesh.Target{Destination: enmesh.Destination{Service: service}, Weight: weight}
}

func call(service string) *enmesh.Call {
	return &enmesh.Call{Destination: enmesh.Destination{Service: service}}
}

func TestTable_findsTheHost(t *testing.T) {
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"))
	err := table.Swap([]mesh.Host{
		{Names: []string{"*.example.com"}, Rules: []mesh.Rule{plain("wild")}},
		{Names: []string{"*.eu.example.com"}, Rules: []mesh.Rule{plain("wilder")}},
		{Names: []string{"reviews.default.svc.cluster.local", "api.example.com"}, Rules: []mesh.Rule{plain("exact")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"reviews": "exact", "reviews.default": "exact", "reviews.default.svc": "exact",
		"reviews.default.svc.cluster.local": "exact", "REVIEWS": "exact", "api.example.com": "exact",
		"www.example.com": "wild", "a.eu.example.com": "wilder", "ratings": "unknown", "example.org": "unknown",
	} {
		if got := table.Route(call(host)).Name; got != want {
			t.Errorf("%s: route %q, want %q", host, got, want)
		}
	}
	if got, want := table.Route(call("ratings")).Service, "ratings.default.svc.cluster.local"; got != want {
		t.Errorf("an unknown host goes to %q, want %q", got, want)
	}
	if got, want := table.Hosts(), []string{"*.eu.example.com", "*.example.com", "api.example.com", "reviews.default.svc.cluster.local"}; !reflect.DeepEqual(got, want) {
		t.Errorf("hosts %v, want %v", got, want)
	}
}

func TestTable_firstMatchWinsAndNoneIsARoute(t *testing.T) {
	seen := &enmeshtest.Gate{}
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"), enmesh.Guard(seen))
	first, second := plain("first"), plain("second")
	first.Match = func(c *enmesh.Call) bool { return c.Path == "/a" }
	second.Match = func(c *enmesh.Call) bool { return strings.HasPrefix(c.Path, "/") }
	if err := table.Swap([]mesh.Host{{Names: []string{"reviews.default.svc.cluster.local"}, Rules: []mesh.Rule{first, second}}}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/a": "first", "/b": "second"} {
		c := call("reviews")
		c.Path = path
		if got := table.Route(c).Name; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	w := enmeshtest.NewWire()
	w.Call().Service = "reviews"
	err := w.Do(t.Context(), table)
	if !errors.Is(err, mesh.ErrNoRoute) || enmesh.ErrorOf(err).Flag != enmesh.FlagNoRoute || w.Sent() != 0 {
		t.Errorf("no match: %v, sent %d; want ErrNoRoute with NR and nothing sent", err, w.Sent())
	}
	if seen.Admits() != 1 {
		t.Errorf("the refusal passed %d outer middleware, want 1", seen.Admits())
	}
}

func TestTable_splitsByWeight(t *testing.T) {
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"))
	rule := plain("split", to("a", 90), to("b", 10), to("c", 0))
	if err := table.Swap([]mesh.Host{{Names: []string{"x.y.z"}, Rules: []mesh.Rule{rule}}}); err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	got := map[string]int{}
	for range n {
		got[table.Route(call("x.y.z")).Service]++
	}
	sigma := math.Sqrt(n * 0.1 * 0.9)
	if diff := math.Abs(float64(got["b"]) - n*0.1); diff > 4*sigma || got["c"] != 0 || got["a"]+got["b"] != n {
		t.Errorf("split %v, want 90/10/0 within %.0f", got, 4*sigma)
	}
}

func TestTable_swapPublishesAllOrNothing(t *testing.T) {
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"))
	host := "reviews.default.svc.cluster.local"
	if err := table.Swap([]mesh.Host{{Names: []string{host}, Rules: []mesh.Rule{plain("old")}}}); err != nil {
		t.Fatal(err)
	}
	bad := plain("bad")
	bad.Build = func(*mesh.Store, mesh.Target) ([]enmesh.Middleware, error) {
		return nil, errors.New("no such algorithm")
	}
	err := table.Swap([]mesh.Host{{Names: []string{host}, Rules: []mesh.Rule{plain("new"), bad}}})
	if err == nil || !strings.Contains(err.Error(), `"bad"`) || !strings.Contains(err.Error(), host) {
		t.Errorf("error %v, want one that names the rule and the host", err)
	}
	if got := table.Route(call("reviews")).Name; got != "old" {
		t.Errorf("after a bad swap the route is %q, want %q", got, "old")
	}
	if err := table.Swap([]mesh.Host{{Names: []string{host}, Rules: []mesh.Rule{plain("zero", to("a", 0), to("b", 0))}}}); err == nil {
		t.Error("weights that sum to 0 were published")
	}
}

// kept builds a middleware whose state is a recording gate with a configuration.
func kept(owner string, cfg int, all *sync.Map) func(*mesh.Store, mesh.Target) ([]enmesh.Middleware, error) {
	return func(st *mesh.Store, _ mesh.Target) ([]enmesh.Middleware, error) {
		g, err := mesh.Keep(st, owner, cfg, func(int) (*enmeshtest.Gate, error) {
			g := &enmeshtest.Gate{}
			all.Store(g, cfg)
			return g, nil
		})
		return []enmesh.Middleware{enmesh.Guard(g)}, err
	}
}

func TestTable_swapKeepsStateUnderTraffic(t *testing.T) {
	var all sync.Map
	table := mesh.NewTable(enmesh.Naming{}, mesh.Rule{Name: "unknown", Build: kept("unknown", 0, &all)})
	host := "reviews.default.svc.cluster.local"
	swap := func(cfg int) {
		rule := mesh.Rule{Name: "r", Build: kept("reviews", 1, &all)}
		other := mesh.Rule{Name: "o", Build: kept("other", cfg, &all)}
		if err := table.Swap([]mesh.Host{{Names: []string{host}, Rules: []mesh.Rule{rule}}, {Names: []string{"o.o.o"}, Rules: []mesh.Rule{other}}}); err != nil {
			t.Error(err)
		}
	}
	swap(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, service := range []string{"reviews", "ratings", "o.o.o"} {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				w := enmeshtest.NewWire()
				w.Call().Service = service
				if err := w.Do(context.Background(), table); err != nil {
					t.Error(err)
				}
				w.Finish(nil)
			}
		})
	}
	for i := range 200 {
		swap(i)
	}
	close(stop)
	wg.Wait()
	counts := map[int]int{}
	all.Range(func(g, cfg any) bool {
		counts[cfg.(int)]++
		if err := g.(*enmeshtest.Gate).Settled(); err != nil {
			t.Error(err)
		}
		return true
	})
	if counts[1] != 2 { // the gate of reviews, and the changed one of "other" that has the number 1
		t.Errorf("%d gates with configuration 1, want 2: the unchanged rule's state was made anew", counts[1])
	}
}

// closer notes that it was closed.
type closer struct{ closed bool }

func (c *closer) Close() error { c.closed = true; return nil }

func TestKeep_closesWhatIsForgotten(t *testing.T) {
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"))
	made := map[string]*closer{}
	rule := func(cfg string) mesh.Rule {
		return mesh.Rule{Name: cfg, Build: func(st *mesh.Store, _ mesh.Target) ([]enmesh.Middleware, error) {
			_, err := mesh.Keep(st, "x", cfg, func(cfg string) (*closer, error) {
				made[cfg] = &closer{}
				return made[cfg], nil
			})
			return nil, err
		}}
	}
	for _, cfg := range []string{"a", "a", "b"} {
		if err := table.Swap([]mesh.Host{{Names: []string{"x.x.x"}, Rules: []mesh.Rule{rule(cfg)}}}); err != nil {
			t.Fatal(err)
		}
	}
	if !made["a"].closed || made["b"].closed {
		t.Errorf("closed: a %v, b %v; want only a", made["a"].closed, made["b"].closed)
	}
	bad := plain("bad")
	bad.Build = func(*mesh.Store, mesh.Target) ([]enmesh.Middleware, error) { return nil, errors.New("no") }
	_ = table.Swap([]mesh.Host{{Names: []string{"x.x.x"}, Rules: []mesh.Rule{rule("c"), rule("b"), bad}}})
	if !made["c"].closed || made["b"].closed {
		t.Errorf("after a bad swap, closed: b %v, c %v; want only c", made["b"].closed, made["c"].closed)
	}
	for range 2 {
		if err := table.Close(); err != nil || !made["b"].closed {
			t.Errorf("closed with the table: %v, %v; want b closed", made["b"].closed, err)
		}
	}
	if err := table.Swap([]mesh.Host{{Names: []string{"x.x.x"}, Rules: []mesh.Rule{rule("d")}}}); err == nil || made["d"] != nil {
		t.Errorf("a swap after the end: %v, made %v; want it refused and nothing made", err, made["d"])
	}
	if r := table.Route(call("x.x.x")); r.Name != "b" {
		t.Errorf("route %q after the end, want the one of before", r.Name)
	}
	if r := table.Route(call("never-called")); r.Name != "refused" {
		t.Errorf("route %q of a new host after the end, want it refused", r.Name)
	}
}

func TestTable_routeCostsNothing(t *testing.T) {
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"))
	if err := table.Swap([]mesh.Host{{Names: []string{"reviews.default.svc.cluster.local"}, Rules: []mesh.Rule{plain("r", to("a", 1), to("b", 1))}}}); err != nil {
		t.Fatal(err)
	}
	c := call("reviews")
	if got := testing.AllocsPerRun(1000, func() { table.Route(c) }); got != 0 {
		t.Errorf("a route costs %v allocations, want 0", got)
	}
}

// Whatever hosts are called, a Table keeps the routes of 4,096 that no rule names; others
// are routed all the same, by a route that is built for each call. A swap builds anew what
// is kept, and that alone.
func TestTable_learnsABoundedNumberOfHosts(t *testing.T) {
	const hosts, kept = 5000, 4096
	built := 0
	unknown := mesh.Rule{Name: "unknown", Build: func(*mesh.Store, mesh.Target) ([]enmesh.Middleware, error) {
		built++
		return nil, nil
	}}
	table := mesh.NewTable(enmesh.Naming{}, unknown)
	callAll := func() {
		t.Helper()
		for i := range hosts {
			host := fmt.Sprintf("h%d.example.com", i)
			if got := table.Route(call(host)).Service; got != host {
				t.Fatalf("route of %s goes to %s", host, got)
			}
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want int
	}{
		{"the first calls", callAll, hosts},
		{"the second calls", callAll, hosts - kept},
		{"a swap", func() {
			if err := table.Swap(nil); err != nil {
				t.Fatal(err)
			}
		}, kept},
		{"the calls after it", callAll, hosts - kept},
	} {
		built = 0
		step.do()
		if built != step.want {
			t.Errorf("%s built %d routes, want %d", step.name, built, step.want)
		}
	}
}

func BenchmarkTable_Route(b *testing.B) {
	table := mesh.NewTable(enmesh.Naming{}, plain("unknown"))
	first := plain("first")
	first.Match = func(c *enmesh.Call) bool { return c.Path == "/never" }
	if err := table.Swap([]mesh.Host{{Names: []string{"reviews.default.svc.cluster.local"}, Rules: []mesh.Rule{first, plain("r", to("a", 1), to("b", 1))}}}); err != nil {
		b.Fatal(err)
	}
	c := call("reviews")
	b.ReportAllocs()
	for b.Loop() {
		table.Route(c)
	}
}
