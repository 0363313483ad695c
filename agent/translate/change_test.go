// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// ear hears of a resource.
type ear struct {
	mu    sync.Mutex // guards heard
	heard []agentxds.Resource
}

func (e *ear) hear(r agentxds.Resource) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, r)
}

func (e *ear) all() []agentxds.Resource {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

func (e *ear) last(t *testing.T) *anypb.Any {
	t.Helper()
	all := e.all()
	if len(all) == 0 {
		t.Fatal("nothing was heard")
	}
	return all[len(all)-1].Body
}

func one(last int) discovery.Endpoint {
	return discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.0.0.%d:80", last)}}
}

func TestCatalog_tellsOnlyThoseWhomAChangeConcerns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, registry := open(t, translate.Config{}, "")
		var ears [3]ear
		for i, name := range []string{"a", "a", "b"} {
			registry.Set(name, one(1))
			n := &agentxds.Node{ID: fmt.Sprint(i), Client: "gRPC Go", Region: fmt.Sprint("r", i), Labels: map[string]string{"x": fmt.Sprint(i)}}
			t.Cleanup(watch(c, n, agentxds.Endpoints, "outbound|80||"+name+".default.svc.cluster.local", ears[i].hear))
		}
		synctest.Wait()
		if ears[0].last(t) != ears[1].last(t) {
			t.Error("two nodes that see the same have not the same resource, but two")
		}
		registry.Set("a", one(2))
		synctest.Wait()
		for i, want := range []int{2, 2, 1} {
			if got := len(ears[i].all()); got != want {
				t.Errorf("watcher %d was told %d times, want %d", i, got, want)
			}
		}
		if ears[0].last(t) != ears[1].last(t) {
			t.Error("after a change two nodes that see the same have two resources")
		}
		registry.Set("a", one(2)) // no change
		c.SetPolicy(parse(t, ""))
		synctest.Wait()
		if got := len(ears[0].all()); got != 2 {
			t.Errorf("no change was told: %d", got)
		}
	})
}

func TestCatalog_waitsForTheRegistryAndThenKeepsWhatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, registry := open(t, translate.Config{}, "")
		var listener, endpoints ear
		n := &agentxds.Node{Client: "gRPC Go"}
		defer watch(c, n, agentxds.Listener, "s", listener.hear)()
		defer watch(c, n, agentxds.Endpoints, "outbound|0||s.default.svc.cluster.local", endpoints.hear)()
		synctest.Wait()
		if got := managerOf(t, listener.last(t)).GetRds(); got != nil {
			t.Errorf("an unknown service has routes %v", got)
		}
		registry.Set("s", one(1))
		synctest.Wait()
		if got := managerOf(t, listener.last(t)).GetRds(); got == nil {
			t.Error("a service that has come has no routes")
		}
		before := len(listener.all())
		registry.Remove("s")
		synctest.Wait()
		if got := len(listener.all()); got != before {
			t.Error("a service that the registry has forgotten has lost its routes")
		}
	})
}

func TestCatalog_seesPolicyAsEachWorkloadDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const selective = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s}
spec:
  hosts: [s]
  http:
  - match: [{sourceLabels: {app: web}}]
    timeout: 1s
    route: [{destination: {host: s}}]
  - route: [{destination: {host: s}}]
`
		c, _ := open(t, translate.Config{}, "")
		ears := map[string]*ear{}
		for name, n := range map[string]*agentxds.Node{
			"web": {Labels: map[string]string{"app": "web", "pod": "1"}}, "other": {Labels: map[string]string{"app": "other", "pod": "2"}},
		} {
			ears[name] = &ear{}
			t.Cleanup(watch(c, n, agentxds.Route, "s.default", ears[name].hear))
		}
		c.SetPolicy(parse(t, selective))
		synctest.Wait()
		for name, want := range map[string]int{"web": 2, "other": 1} {
			if got := len(routesOf(t, ears[name].last(t)).GetVirtualHosts()[0].GetRoutes()); got != want {
				t.Errorf("%s has %d routes, want %d", name, got, want)
			}
		}
	})
}

// What cannot be compiled for a namespace does not take away what it had, nor open anything
// to one that had nothing.
func TestCatalog_keepsTheLastGoodPolicyOfANamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const good = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s}
spec: {hosts: [s], http: [{route: [{destination: {host: s, subset: v1}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s}
spec: {host: s, subsets: [{name: v1, labels: {version: v1}}]}
`
		c, _ := open(t, translate.Config{}, good)
		n := &agentxds.Node{Namespace: "shop"}
		var had, fresh ear
		defer watch(c, n, agentxds.Route, "s.default", had.hear)()
		// In shop the rule that is seen first has no such subset.
		c.SetPolicy(parse(t, good+`---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s, namespace: shop}
spec: {host: s.default.svc.cluster.local, subsets: [{name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: x, namespace: back}
spec: {host: s.default.svc.cluster.local, workloadSelector: {matchLabels: {tier: x}}, subsets: [{name: v2, labels: {version: v2}}]}
`))
		defer watch(c, &agentxds.Node{Namespace: "back", Labels: map[string]string{"tier": "x"}}, agentxds.Listener, "s.default", fresh.hear)()
		synctest.Wait()
		if got := clustersOf(t, had.last(t)); len(got) != 1 {
			t.Errorf("the namespace has lost its routes: %q", got)
		}
		if got := managerOf(t, fresh.last(t)).GetRds(); got != nil {
			t.Errorf("a workload whose policy was refused has routes: %v", got)
		}
		rejected := 0
		for _, note := range c.Notes() {
			if note.Verdict == policy.Rejected {
				rejected++
			}
		}
		if rejected < 2 {
			t.Errorf("notes: %v, want one on each namespace", c.Notes())
		}
	})
}

// TestCatalog_dividesNodesWhenPolicyLooksAtThem has two nodes in two regions, of which
// policy knows at first nothing, then the regions, then labels, and then nothing again.
func TestCatalog_dividesNodesWhenPolicyLooksAtThem(t *testing.T) {
	const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s}
spec:
  host: s
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 1}
    loadBalancer:
      localityLbSetting: %s
`
	synctest.Test(t, func(t *testing.T) {
		c, registry := open(t, translate.Config{}, "")
		at := func(last int, region, version string) discovery.Endpoint {
			e := one(last)
			e.Locality.Region, e.Labels = region, map[string]string{"version": version}
			return e
		}
		registry.Set("s", at(1, "eu", "a"), at(2, "us", "b"))
		var ears [3]ear
		var stops []func()
		for i, n := range []*agentxds.Node{
			{Region: "eu", Labels: map[string]string{"version": "a"}}, {Region: "us", Labels: map[string]string{"version": "a"}},
			{Region: "us", Labels: map[string]string{"version": "b"}},
		} {
			n.Client = "gRPC Go"
			stops = append(stops, watch(c, n, agentxds.Endpoints, sCluster, ears[i].hear))
		}
		same := func(i, j int) bool { return proto.Equal(ears[i].last(t), ears[j].last(t)) }
		for _, step := range []struct {
			setting string
			want    [3]bool // whether 0 and 1, 1 and 2, 0 and 2 are told the same
		}{
			{"", [3]bool{true, true, true}},
			{"{enabled: true}", [3]bool{false, true, false}},
			{"{failoverPriority: [version]}", [3]bool{true, false, false}},
			{"{enabled: false}", [3]bool{true, true, true}},
			{"{enabled: true}", [3]bool{false, true, false}},
		} {
			text := ""
			if step.setting != "" {
				text = fmt.Sprintf(rule, step.setting)
			}
			c.SetPolicy(parse(t, text))
			synctest.Wait()
			if got := [3]bool{same(0, 1), same(1, 2), same(0, 2)}; got != step.want {
				t.Errorf("%q: got %v, want %v", step.setting, got, step.want)
			}
		}
		registry.Set("s", at(3, "eu", "a"), at(2, "us", "b"))
		synctest.Wait()
		if same(0, 1) || !same(1, 2) {
			t.Error("after a change the regions are told the same, or nodes of one region are not")
		}
		heard := len(ears[1].all())
		stops[1]()
		stops[1]() // is of no effect
		c.SetPolicy(parse(t, ""))
		synctest.Wait()
		if !same(0, 2) || len(ears[1].all()) != heard {
			t.Error("one who left was told, or the others were not")
		}
		stops[0]()
		stops[2]()
		if notes := c.Notes(); len(notes) != 0 {
			t.Errorf("nobody watches, and there are notes: %v", notes)
		}
	})
}

func TestCatalog_isReadyWithPolicyAndStarted(t *testing.T) {
	for _, started := range []bool{false, true} {
		c, err := translate.New(translate.Config{Endpoints: discovery.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		steps := []func(){func() { c.SetPolicy(parse(t, "")) }, c.Start}
		if started {
			slices.Reverse(steps)
		}
		steps[0]()
		select {
		case <-c.Ready():
			t.Errorf("started first: %t: ready too soon", started)
		default:
		}
		steps[1]()
		steps[0]()
		<-c.Ready()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCatalog_postsInOrder changes a service while its watchers come and go.
func TestCatalog_postsInOrder(t *testing.T) {
	c, registry := open(t, translate.Config{}, "")
	registry.Set("s", one(1))
	var wait sync.WaitGroup
	var told atomic.Int64
	for range 4 {
		wait.Go(func() {
			for range 200 {
				watch(c, &agentxds.Node{}, agentxds.Endpoints, sCluster, func(agentxds.Resource) { told.Add(1) })()
			}
		})
	}
	for i := range 200 {
		registry.Set("s", one(i%250+1))
	}
	wait.Wait()
	if got := places(t, c, &agentxds.Node{}, sCluster); len(got) != 1 {
		t.Errorf("in the end %q", got)
	}
}

// BenchmarkCatalog_change is one changed instance of ten in one of 10,000 services, all of
// whose clusters and endpoints are watched.
func BenchmarkCatalog_change(b *testing.B) {
	c, registry := open(b, translate.Config{Certificates: "default"}, "")
	const services = 10_000
	set := func(i, round int) {
		var eps []discovery.Endpoint
		for k := range 10 {
			eps = append(eps, discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.%d.%d.%d:80", k, round%250, i%250)}, Namespace: "default", ServiceAccount: "x"})
		}
		registry.Set(fmt.Sprint("s", i), eps...)
	}
	heard := make(chan struct{}, 100)
	started := make(chan struct{}, 2*services)
	n := &agentxds.Node{Client: "gRPC Go"}
	for i := range services {
		set(i, 0)
		name := fmt.Sprintf("outbound|80||s%d.default.svc.cluster.local", i)
		first := true
		b.Cleanup(watch(c, n, agentxds.Endpoints, name, func(agentxds.Resource) {
			if first {
				first = false
				started <- struct{}{}
				return
			}
			heard <- struct{}{}
		}))
		b.Cleanup(watch(c, n, agentxds.Cluster, name, func(agentxds.Resource) { started <- struct{}{} }))
	}
	for range 2 * services {
		<-started
	}
	b.ReportAllocs()
	round := 0
	for b.Loop() {
		round++
		set(77, round)
		<-heard
	}
}

// BenchmarkCatalog_reload is a change of all rules for 1,000 services, whose listeners,
// routes, clusters and endpoints are watched by nodes of two namespaces.
func BenchmarkCatalog_reload(b *testing.B) {
	const services = 1000
	write := func(timeout int) *policy.Snapshot {
		var text strings.Builder
		for i := range services {
			fmt.Fprintf(&text, `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%d}
spec:
  hosts: [s%[1]d]
  http:
  - match: [{uri: {prefix: /a.B/}, headers: {x-user: {exact: jason}}}]
    timeout: %[2]ds
    route: [{destination: {host: s%[1]d, subset: v1}, weight: 90}, {destination: {host: s%[1]d, subset: v2}, weight: 10}]
  - route: [{destination: {host: s%[1]d}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s%[1]d}
spec:
  host: s%[1]d
  trafficPolicy: {connectionPool: {http: {http2MaxRequests: %[2]d}}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`, i, timeout)
		}
		return parse(b, text.String())
	}
	snapshots := []*policy.Snapshot{write(1), write(2)}
	c, registry := open(b, translate.Config{Certificates: "default"}, "")
	c.SetPolicy(snapshots[1])
	told := make(chan struct{}, 16*services)
	for i := range services {
		registry.Set(fmt.Sprint("s", i), one(1), one(2))
		for _, namespace := range []string{"default", "other"} {
			n := &agentxds.Node{Client: "gRPC Go", Namespace: namespace}
			host := fmt.Sprintf("s%d.default.svc.cluster.local", i)
			watch := func(k agentxds.Kind, name string) {
				b.Cleanup(watch(c, n, k, name, func(agentxds.Resource) { told <- struct{}{} }))
			}
			watch(agentxds.Listener, host)
			watch(agentxds.Route, host)
			for _, subset := range []string{"", "v1", "v2"} {
				watch(agentxds.Cluster, "outbound|0|"+subset+"|"+host)
				watch(agentxds.Endpoints, "outbound|0|"+subset+"|"+host)
			}
		}
	}
	for range 16 * services {
		<-told
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.SetPolicy(snapshots[i%2])
		for range 8 * services { // routes and clusters
			<-told
		}
	}
}
