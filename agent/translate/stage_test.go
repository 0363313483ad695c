// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
)

// teller is a catalog that says what a test wants.
type teller struct {
	ready chan struct{}
	tell  func(agentxds.Resource)
}

func (t *teller) Ready() <-chan struct{} { return t.ready }

func (t *teller) Watch(_ *agentxds.Node, _ agentxds.Kind, _ string, f func(agentxds.Resource)) func() {
	t.tell = f
	return func() { t.tell = func(agentxds.Resource) {} }
}

// leads are routes to clusters, one each.
func leads(t testing.TB, clusters ...string) agentxds.Resource {
	t.Helper()
	host := &routepb.VirtualHost{Name: "h", Domains: []string{"*"}}
	for _, name := range clusters {
		host.Routes = append(host.Routes, &routepb.Route{
			Match:  &routepb.RouteMatch{PathSpecifier: &routepb.RouteMatch_Prefix{Prefix: "/" + name}},
			Action: &routepb.Route_Route{Route: &routepb.RouteAction{ClusterSpecifier: &routepb.RouteAction_Cluster{Cluster: name}}},
		})
	}
	body, err := anypb.New(&routepb.RouteConfiguration{Name: "r", VirtualHosts: []*routepb.VirtualHost{host}})
	if err != nil {
		t.Fatal(err)
	}
	return agentxds.Resource{Kind: agentxds.Route, Name: "r", Version: fmt.Sprint(clusters), Body: body}
}

// told is what a watcher hears, in words.
func told(t testing.TB, r agentxds.Resource) string {
	t.Helper()
	if r.Body == nil {
		return "none"
	}
	var m routepb.RouteConfiguration
	if err := r.Body.UnmarshalTo(&m); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, one := range m.GetVirtualHosts()[0].GetRoutes() {
		if name := one.GetRoute().GetCluster(); name != "" {
			out = append(out, name)
		}
		for _, share := range one.GetRoute().GetWeightedClusters().GetClusters() {
			out = append(out, "("+share.GetName()+")")
		}
	}
	return strings.Join(out, " ")
}

func TestStaged_announcesNewClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &teller{ready: make(chan struct{})}
		var heard []string
		began := time.Now()
		stop := translate.Staged(inner, time.Second).Watch(nil, agentxds.Route, "r", func(r agentxds.Resource) {
			heard = append(heard, fmt.Sprint(time.Since(began).Seconds(), " ", told(t, r)))
		})
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(heard, want) {
				t.Errorf("heard %q, want %q", heard, want)
			}
			heard, began = nil, time.Now()
		}
		inner.tell(leads(t, "a"))
		expect("0 a")
		inner.tell(leads(t, "b", "c"))
		time.Sleep(2 * time.Second)
		expect("0 a (b) (c)", "1 b c")
		inner.tell(leads(t, "c"))
		expect("0 c") // nothing is new
		inner.tell(leads(t, "d"))
		time.Sleep(time.Second / 2)
		inner.tell(leads(t, "e"))
		time.Sleep(2 * time.Second)
		expect("0 c (d)", "0.5 c (e)", "1.5 e")
		inner.tell(leads(t, "f"))
		inner.tell(leads(t, "e"))
		time.Sleep(2 * time.Second)
		expect("0 e (f)", "0 e") // back again
		inner.tell(agentxds.Resource{Kind: agentxds.Route, Name: "r"})
		inner.tell(leads(t, "g"))
		expect("0 none", "0 g")
		for i := range 20 {
			inner.tell(leads(t, fmt.Sprint("h", i)))
			time.Sleep(time.Second / 2)
		}
		synctest.Wait()
		if n := slices.IndexFunc(heard, func(s string) bool { return !strings.Contains(s, "g") }); n < 9 || n > 12 {
			t.Errorf("routes that change all the time are in force with change %d, want after 5 s: %q", n, heard)
		}
		heard = nil
		stop()
		time.Sleep(10 * time.Second)
		expect()
	})
}
