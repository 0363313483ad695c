// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/policy"
)

// leads is policy whose routes lead to services, one each; without any they answer themselves.
func leads(t testing.TB, more string, services ...string) *policy.Snapshot {
	t.Helper()
	text := "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r}\nspec:\n  hosts: [r]\n  http:\n"
	for _, name := range services {
		text += fmt.Sprintf("  - match: [{uri: {prefix: /%s}}]\n    route: [{destination: {host: %s}}]\n", name, name)
	}
	if len(services) == 0 {
		text += "  - directResponse: {status: 503}\n"
	}
	return parse(t, text+more)
}

// heard is what a watcher of routes is told, in words: "(a)" is a cluster that is announced.
func heard(t testing.TB, r agentxds.Resource) string {
	t.Helper()
	var m routepb.RouteConfiguration
	if err := r.Body.UnmarshalTo(&m); err != nil {
		t.Fatal(err)
	}
	short := func(cluster string) string {
		name, _, _ := strings.Cut(cluster[strings.LastIndex(cluster, "|")+1:], ".")
		return name
	}
	var out []string
	for _, one := range m.GetVirtualHosts()[0].GetRoutes() {
		if name := one.GetRoute().GetCluster(); name != "" {
			out = append(out, short(name))
		}
		for _, share := range one.GetRoute().GetWeightedClusters().GetClusters() {
			out = append(out, "("+short(share.GetName())+")")
		}
	}
	return strings.Join(out, " ")
}

func TestStage_announcesNewClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := open(t, translate.Config{Stage: time.Second}, "")
		c.SetPolicy(leads(t, "", "a"))
		var mu sync.Mutex // guards words: two nodes are told by two goroutines
		var words []string
		began := time.Now()
		watch := func(n *agentxds.Node) func() {
			return watch(c, n, agentxds.Route, "r.default", func(r agentxds.Resource) {
				mu.Lock()
				defer mu.Unlock()
				words = append(words, fmt.Sprint(time.Since(began).Seconds(), " ", heard(t, r)))
			})
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(words, want) {
				t.Errorf("heard %q, want %q", words, want)
			}
			words, began = nil, time.Now()
		}
		stop := watch(&agentxds.Node{})
		expect("0 a")
		c.SetPolicy(leads(t, "", "b", "c"))
		time.Sleep(2 * time.Second)
		expect("0 a (b) (c)", "1 b c")
		c.SetPolicy(leads(t, "", "c"))
		expect("0 c") // nothing is new
		c.SetPolicy(leads(t, "", "d"))
		time.Sleep(time.Second / 2)
		c.SetPolicy(leads(t, "", "d")) // the same again
		c.SetPolicy(leads(t, "", "e"))
		time.Sleep(2 * time.Second)
		expect("0 c (d)", "0.5 c (e)", "1.5 e")
		c.SetPolicy(leads(t, "", "f"))
		c.SetPolicy(leads(t, "", "e"))
		time.Sleep(2 * time.Second)
		expect("0 e (f)", "0 e") // back again

		// Policy that looks at labels divides the nodes anew: they go on from where they were.
		c.SetPolicy(leads(t, "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: x}\n"+
			"spec: {host: x, workloadSelector: {matchLabels: {tier: x}}}\n", "f"))
		time.Sleep(time.Second / 2)
		c.SetPolicy(leads(t, "", "f")) // and back, in the midst of it
		time.Sleep(2 * time.Second)
		expect("0 e (f)", "1.5 f")

		// Who comes in the midst of it hears the same.
		c.SetPolicy(leads(t, "", "g"))
		late := watch(&agentxds.Node{ID: "late"})
		time.Sleep(2 * time.Second)
		expect("0 f (g)", "0 f (g)", "1 g", "1 g")
		late()

		c.SetPolicy(leads(t, ""))
		c.SetPolicy(leads(t, "", "h"))
		expect("0 ", "0 h")
		for i := range 20 {
			c.SetPolicy(leads(t, "", fmt.Sprint("i", i)))
			time.Sleep(time.Second / 2)
		}
		synctest.Wait()
		mu.Lock()
		if n := slices.IndexFunc(words, func(s string) bool { return !strings.Contains(s, "h") }); n < 9 || n > 12 {
			t.Errorf("routes that change all the time are in force with change %d, want after 5 s: %q", n, words)
		}
		words = nil
		mu.Unlock()
		stop()
		time.Sleep(10 * time.Second)
		expect()
	})
}
