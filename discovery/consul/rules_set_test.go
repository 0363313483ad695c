// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"compress/gzip"
	"fmt"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
)

// once is the first set that a watch yields for the instances.
func once(t *testing.T, edit func(*consul.Config), instances ...string) []discovery.Endpoint {
	t.Helper()
	var eps []discovery.Endpoint
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		defer f.stop()
		f.set("web", instances...)
		cfg := f.config()
		if edit != nil {
			edit(&cfg)
		}
		r := open(t, cfg)
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		if len(c.sets) != 1 {
			t.Fatalf("the watch has yielded %d sets, errors %v", len(c.sets), c.errs)
		}
		eps = c.sets[0]
	})
	return eps
}

func TestRule11_allCriticalIsNotNobody(t *testing.T) {
	well, warned, dead := instance("10.0.0.1:80"), instance("10.0.0.2:80", status("warning")), instance("10.0.0.3:80", status("critical"))
	strict := func(c *consul.Config) { c.PassingOnly = true }
	calm := func(c *consul.Config) { c.NoPanic = true }
	both := func(c *consul.Config) { c.NoPanic, c.PassingOnly = true, true }
	tests := []struct {
		name      string
		edit      func(*consul.Config)
		instances []string
		want      string
	}{
		{"the critical are left out", nil, []string{well, warned, dead}, "10.0.0.1:80 10.0.0.2:80"},
		{"passing only", strict, []string{well, warned, dead}, "10.0.0.1:80"},
		{"all critical: all are used", nil, []string{dead}, "10.0.0.3:80"},
		{"passing only and none: warnings before the critical", strict, []string{warned, dead}, "10.0.0.2:80"},
		{"all critical, no panic", calm, []string{dead}, ""},
		{"passing only and none, no panic", both, []string{warned, dead}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := addresses(once(t, tt.edit, tt.instances...)); got != tt.want {
				t.Errorf("endpoints = %q, want %q", got, tt.want)
			}
		})
	}
	bubble(t, func(t *testing.T, f *fake) {
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		if q := f.queries()[0].query; strings.Contains(q, "passing") {
			t.Errorf("query = %s, want all instances asked for", q)
		}
	})
}

// The critical ones are told of where that is asked for, and are not to be called.
func TestRule11_theCriticalCanBeCounted(t *testing.T) {
	well, warned, dead := instance("10.0.0.1:80"), instance("10.0.0.2:80", status("warning")), instance("10.0.0.3:80", status("critical"))
	count := func(c *consul.Config) { c.Unhealthy = true }
	strict := func(c *consul.Config) { c.Unhealthy, c.PassingOnly = true, true }
	calm := func(c *consul.Config) { c.Unhealthy, c.NoPanic = true, true }
	for _, tt := range []struct {
		name      string
		edit      func(*consul.Config)
		instances []string
		called    string
		counted   string
	}{
		{"not asked for", nil, []string{well, warned, dead}, "10.0.0.1:80 10.0.0.2:80", ""},
		{"critical", count, []string{well, warned, dead}, "10.0.0.1:80 10.0.0.2:80", "10.0.0.3:80"},
		{"passing only", strict, []string{well, warned, dead}, "10.0.0.1:80", "10.0.0.2:80 10.0.0.3:80"},
		{"all critical: all are used", count, []string{dead}, "10.0.0.3:80", ""},
		{"all critical, no panic", calm, []string{dead}, "", "10.0.0.3:80"},
		{"one address, well and dead", count, []string{well, instance("10.0.0.1:80", status("critical"))}, "10.0.0.1:80", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var called, counted []discovery.Endpoint
			for _, e := range once(t, tt.edit, tt.instances...) {
				if e.Unhealthy && e.Draining {
					counted = append(counted, e)
				} else {
					called = append(called, e)
				}
			}
			if a, b := addresses(called), addresses(counted); a != tt.called || b != tt.counted {
				t.Errorf("called %q and counted %q, want %q and %q", a, b, tt.called, tt.counted)
			}
		})
	}
}

func TestRule12_checksWeightsAndAddresses(t *testing.T) {
	node := func(name string, value any) func(service, node map[string]any) []any {
		return func(_, node map[string]any) []any {
			node[name] = value
			return nil
		}
	}
	checks := func(cs ...any) func(service, node map[string]any) []any {
		return func(map[string]any, map[string]any) []any { return cs }
	}
	tagged := func(pairs map[string]any) func(service, node map[string]any) []any {
		return field("TaggedAddresses", pairs)
	}
	at := func(host string, port int) map[string]any { return map[string]any{"Address": host, "Port": port} }
	wan := func(c *consul.Config) { c.TaggedAddress = "wan" }
	tests := []struct {
		name     string
		edit     func(*consul.Config)
		instance string
		want     string // addresses, weight, draining
	}{
		{"plain", nil, instance("10.0.0.1:80"), "10.0.0.1:80 1 false"},
		{"weight for passing", nil, instance("10.0.0.1:80", field("Weights", map[string]any{"Passing": 5, "Warning": 2})), "10.0.0.1:80 5 false"},
		{"weight for warnings", nil, instance("10.0.0.1:80", field("Weights", map[string]any{"Passing": 5, "Warning": 2}), status("warning")), "10.0.0.1:80 2 false"},
		{"weight 0 drains", nil, instance("10.0.0.1:80", field("Weights", map[string]any{"Passing": 0, "Warning": 0})), "10.0.0.1:80 0 true"},
		{"service maintenance drains", nil, instance("10.0.0.1:80", checks(check("_service_maintenance:web-1", "critical"))), "10.0.0.1:80 0 true"},
		{"node maintenance drains", nil, instance("10.0.0.1:80", checks(check("_node_maintenance", "critical"))), "10.0.0.1:80 0 true"},
		{"a node's warning counts", nil, instance("10.0.0.1:80", field("Weights", map[string]any{"Passing": 5, "Warning": 2}), checks(check("disk", "warning"))), "10.0.0.1:80 2 false"},
		{"the node's address", nil, instance("10.0.0.1:80", field("Address", "")), "10.255.0.1:80 1 false"},
		{"IPv6", nil, instance("[fd00::1]:80"), "[fd00::1]:80 1 false"},
		{"a name", nil, instance("web-1.local:80"), "web-1.local:80 1 false"},
		{"tagged address", wan, instance("10.0.0.1:80", tagged(map[string]any{"wan": at("198.51.100.1", 8080)})), "198.51.100.1:8080 1 false"},
		{"tagged address of the node", wan, instance("10.0.0.1:80", node("TaggedAddresses", map[string]string{"wan": "198.51.100.2"})), "198.51.100.2:80 1 false"},
		{"no such tagged address", wan, instance("10.0.0.1:80"), "10.0.0.1:80 1 false"},
		{"dual-stack", nil, instance("10.0.0.1:80", tagged(map[string]any{"lan_ipv4": at("10.0.0.1", 80), "lan_ipv6": at("fd00::1", 80)})), "10.0.0.1:80,[fd00::1]:80 1 false"},
		{"dual-stack, IPv6 first", nil, instance("[fd00::1]:80", tagged(map[string]any{"lan_ipv4": at("10.0.0.1", 80), "lan_ipv6": at("fd00::1", 80)})), "[fd00::1]:80,10.0.0.1:80 1 false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eps := once(t, tt.edit, tt.instance)
			if len(eps) != 1 {
				t.Fatalf("endpoints = %v, want one", eps)
			}
			ep := eps[0]
			got := fmt.Sprintf("%s %d %t", strings.Join(ep.Addrs, ","), ep.Weight, ep.Draining)
			if got != tt.want {
				t.Errorf("endpoint = %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("a dead node's instance is left out", func(t *testing.T) {
		got := addresses(once(t, nil, instance("10.0.0.1:80"), instance("10.0.0.2:80", checks(check("serfHealth2", "critical")))))
		if got != "10.0.0.1:80" {
			t.Errorf("endpoints = %q", got)
		}
	})
}

func TestRule12_metaAndTagsBecomeWhatTheyMean(t *testing.T) {
	eps := once(t, nil, instance("10.0.0.1:80",
		field("Tags", []string{"canary", "team=web", "app.kubernetes.io/name=web", "version=v0"}),
		field("Meta", map[string]string{
			"version": "v1", "namespace": "shop", "service-account": "web", "locality": "eu/eu-1/a", "stage": "prod",
			"port-http": "80:8080/http", "port-9090": "9090/grpc", "metadata-rack": "7",
		}),
		field("Locality", map[string]string{"Region": "other", "Zone": "z"}),
	))
	want := discovery.Endpoint{
		Addrs:     []string{"10.0.0.1:80"},
		Ports:     []discovery.Port{{Name: "http", Number: 80, Target: 8080, Protocol: "http"}, {Number: 9090, Protocol: "grpc"}},
		Weight:    1,
		Locality:  discovery.Locality{Region: "eu", Zone: "eu-1", SubZone: "a"},
		Labels:    map[string]string{"team": "web", "app.kubernetes.io/name": "web", "version": "v1", "stage": "prod"},
		Version:   "v1",
		Namespace: "shop", ServiceAccount: "web",
		Metadata: map[string]string{
			"rack": "7", consul.InfoID: "id-10.0.0.1:80", consul.InfoNode: "n1", consul.InfoDatacenter: "dc1", consul.InfoTags: "canary",
		},
	}
	if len(eps) != 1 || !eps[0].Equal(want) {
		t.Errorf("endpoint = %+v\nwant %+v", eps, want)
	}
	eps = once(t, nil, instance("10.0.0.1:80", field("Locality", map[string]string{"Region": "eu", "Zone": "z"})))
	if got := eps[0].Locality.String(); got != "eu/z" {
		t.Errorf("locality = %s, want Consul's own, eu/z", got)
	}
}

func TestRule12_ofTwoAtOneAddressTheLivingOneCounts(t *testing.T) {
	old := instance("10.0.0.1:80", field("ID", "old"), field("CreateIndex", 5), field("Meta", map[string]string{"version": "v1"}))
	young := instance("10.0.0.1:80", field("ID", "young"), field("CreateIndex", 9), field("Meta", map[string]string{"version": "v2"}))
	sick := instance("10.0.0.1:80", field("ID", "sick"), field("CreateIndex", 99), field("Meta", map[string]string{"version": "v3"}), status("warning"))
	for _, order := range [][]string{{old, young, sick}, {sick, young, old}, {young, sick, old}} {
		eps := once(t, nil, order...)
		if len(eps) != 1 || eps[0].Version != "v2" {
			t.Errorf("endpoints = %+v, want only the young healthy one", eps)
		}
	}
}

func TestRule14_oneWatchForAllAndNoPoisonedOnes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		var failing atomic.Bool
		failing.Store(true)
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if !failing.Load() {
				return false
			}
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return true
		})
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		first := collect(r, "web")
		after(0)
		second := collect(r, "web")
		after(time.Millisecond)
		for _, c := range []*collector{first, second} {
			if got := c.reasons(); !slices.Equal(got, []string{consul.Status}) {
				t.Errorf("errors = %q, want one status", got)
			}
		}
		failing.Store(false)
		after(time.Second)
		third := collect(r, "web")
		after(0)
		for _, c := range []*collector{first, second, third} {
			c.want(t, "10.0.0.1:80", 1)
		}
		if s := r.Status(); len(s) != 1 || s[0].Readers != 3 {
			t.Errorf("status = %+v, want one watch with 3 readers", s)
		}
		before := len(f.queries())
		for range 100 {
			c := collect(r, "web")
			synctest.Wait()
			c.want(t, "10.0.0.1:80", 1)
			c.stop()
		}
		if n := len(f.queries()) - before; n != 0 {
			t.Errorf("100 more readers cost %d queries", n)
		}
		first.stop()
		second.stop()
		after(0)
		if len(r.Status()) != 1 {
			t.Error("the watch has ended before its last reader")
		}
		third.stop()
		if len(r.Status()) != 0 {
			t.Error("the watch goes on without readers")
		}
	})
}

func TestRule14_eachDatacenterHasItsOwnIndex(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			dc := r.URL.Query().Get("dc")
			if r.URL.Query().Get("index") != "" {
				<-r.Context().Done()
				return true
			}
			reply(w, map[string]string{"east": "1000", "west": "5"}[dc], "["+instance(dc+":80")+"]")
			return true
		})
		cfg := f.config()
		cfg.Datacenters = []string{"east", "west"}
		r := open(t, cfg)
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(time.Second)
		for _, q := range f.queries() {
			if strings.Contains(q.query, "dc=east") && strings.Contains(q.query, "index=5") || strings.Contains(q.query, "dc=west") && strings.Contains(q.query, "index=1000") {
				t.Errorf("query %s carries the other datacenter's index", q.query)
			}
		}
		if n := len(f.queries()); n != 4 {
			t.Errorf("%d queries, want 2 for each datacenter", n)
		}
	})
}

func TestRule15_oneQueryAtATimeAndNoneFromThePast(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		var under atomic.Int32
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 0 {
				return false
			}
			if under.Add(1) > 1 {
				t.Errorf("query %d comes while another is under way", n)
			}
			defer under.Add(-1)
			f.mu.Lock()
			body, index := strings.Join(f.services["web"], ","), f.index
			f.mu.Unlock()
			time.Sleep(time.Second) // what is answered is of the past by then
			reply(w, fmt.Sprint(index), "["+body+"]")
			return true
		})
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		after(20 * time.Second)
		for tries := 0; under.Load() == 0; tries++ {
			if tries == 100 {
				t.Fatal("no query has come within 10 s")
			}
			after(100 * time.Millisecond)
		}
		// A query is under way, and its answer is of before what is set now.
		f.answerWith(nil)
		f.set("web", instance("10.0.0.2:80"))
		c.stop()
		late := collect(r, "web")
		after(10 * time.Second)
		late.want(t, "10.0.0.2:80", 1)
		late.stop()
	})
}

func TestRule16_manyWatchesAreSpreadAndTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		const services, slots = 60, 20
		cfg := f.config()
		cfg.MaxWatches = slots
		r := open(t, cfg)
		defer r.Close()
		var all []*collector
		for i := range services {
			f.set(fmt.Sprintf("s%d", i), instance(fmt.Sprintf("10.0.0.%d:80", i+1)))
		}
		for i := range services { // once the index is at rest: its moves wake queries
			all = append(all, collect(r, fmt.Sprintf("s%d", i)))
		}
		begin := time.Now()
		after(0)
		if n := len(f.queries()); n > 8*3 {
			t.Errorf("%d queries at once, want 8 watches to begin and the others spread", n)
		}
		after(20 * time.Second)
		for i, c := range all {
			c.want(t, fmt.Sprintf("10.0.0.%d:80", i+1), 1)
		}
		first := map[string]time.Duration{}
		for _, q := range f.queries() {
			if _, ok := first[q.path]; !ok {
				first[q.path] = q.at.Sub(begin)
			}
		}
		late := 0
		for _, d := range first {
			if d > 100*time.Millisecond {
				late++
			}
		}
		if len(first) != services || late < services/2 {
			t.Errorf("%d services were asked for, %d of them later than 100 ms; want all, and most later", len(first), late)
		}
		f.set("s59", instance("10.0.1.1:80"))
		after(30 * time.Second)
		all[59].want(t, "10.0.1.1:80", 2)
		for _, c := range all {
			c.stop()
		}
	})
}

func TestRule16_allWhoWaitComeBackSpread(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		const services = 100
		r := open(t, f.config())
		defer r.Close()
		var all []*collector
		for i := range services {
			f.set(fmt.Sprintf("s%d", i), instance("10.0.0.1:80"))
			all = append(all, collect(r, fmt.Sprintf("s%d", i)))
		}
		after(5 * time.Second)
		f.kill()
		after(time.Minute)
		f.revive()
		before := len(f.queries())
		after(2 * time.Second)
		asked := f.queries()[before:]
		peak := map[int64]int{}
		for _, q := range asked {
			peak[q.at.UnixMilli()/100]++
		}
		for at, n := range peak {
			if n > services/2 {
				t.Errorf("%d of %d come back in one tenth of a second (%d)", n, services, at)
			}
		}
		for _, c := range all {
			c.stop()
		}
	})
}

func TestRule18_churnElsewhereIsNoNews(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		for i := range 100 {
			f.set("another", instance(fmt.Sprintf("10.1.0.%d:80", i+1)))
			after(100 * time.Millisecond)
		}
		c.want(t, "10.0.0.1:80", 1)
		if s := r.Status()[0]; s.Changes != 1 {
			t.Errorf("%d changes counted, want 1", s.Changes)
		}
	})
}

func TestRule19_consulsOwnWatchesAreNotUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if strings.Contains(i.Path.Value, "consul/api/watch") {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
	}
	// What comes of that: after a long outage nobody is blind for minutes.
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		f.kill()
		after(time.Hour)
		f.set("web", instance("10.0.0.2:80"))
		f.revive()
		after(2 * time.Second)
		c.want(t, "10.0.0.2:80", 2)
		if n := len(c.reasons()); n > 2 {
			t.Errorf("%d errors in an hour of outage, want one or two", n)
		}
	})
}

func TestRule20_garbageIsRefusedWholeOrInPart(t *testing.T) {
	good := instance("10.0.0.2:80")
	for _, tt := range []struct{ name, body, reason, want string }{
		{"HTML", "<html><body>Bad gateway</body></html>", consul.Garbage, ""},
		{"empty", "", consul.Garbage, ""},
		{"null", "null", consul.Garbage, ""},
		{"an object", `{"a":1}`, consul.Garbage, ""},
		{"truncated", "[" + good + "," + good[:40], consul.Garbage, ""},
		{"most have no port", "[" + strings.Join([]string{good, instance("10.0.0.3:0"), instance("10.0.0.4:70000")}, ",") + "]", consul.Invalid, ""},
		{"half have none", "[" + good + "," + instance("10.0.0.3:0") + "]", "", "10.0.0.2:80"},
		{"wrong types in one", `[{"Service":{"Port":"eighty"}},` + good + "]", "", "10.0.0.2:80"},
		{"a port of 1e309", `[{"Service":{"Port":1e309,"Address":"a"}},` + good + "]", "", "10.0.0.2:80"},
		{"null in the list", "[null," + good + "]", "", "10.0.0.2:80"},
		{"negative port", "[" + instance("10.0.0.3:-1") + "," + good + "]", "", "10.0.0.2:80"},
		{"zone", "[" + instance("[::1%eth0]:80") + "," + good + "]", "", "10.0.0.2:80"},
		{"unspecified", "[" + instance("0.0.0.0:80") + "," + good + "]", "", "10.0.0.2:80"},
		{"an address that is none", "[" + instance("10.0.0.3:80", field("Address", "a b/c")) + "," + good + "]", "", "10.0.0.2:80"},
		{"bad ports in metadata", "[" + instance("10.0.0.3:80", field("Meta", map[string]string{"port-x": "99999"})) + "," + good + "]", "", "10.0.0.2:80"},
		{"a locality that is none", "[" + instance("10.0.0.2:80", field("Meta", map[string]string{"locality": "//"})) + "]", "", "10.0.0.2:80"},
		{"twice", "[" + good + "," + good + "]", "", "10.0.0.2:80"},
		{"fields unheard of", `[{"New":{"a":[1]},` + good[1:] + "]", "", "10.0.0.2:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				f.set("web", instance("10.0.0.1:80"))
				r := open(t, f.config())
				defer r.Close()
				c := collect(r, "web")
				defer c.stop()
				after(0)
				f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
					if n > 0 {
						reply(w, "12", tt.body)
					}
					return n > 0
				})
				f.mu.Lock()
				f.bump(1)
				f.mu.Unlock()
				after(time.Second)
				if tt.reason == "" {
					c.want(t, "10.0.0.2:80", 2)
				} else {
					c.want(t, "10.0.0.1:80", 1)
					if !counted(r, "failure", tt.reason) {
						t.Errorf("counts %+v, want a failure for reason %s", r.Counts(), tt.reason)
					}
				}
				if tt.name == "negative port" && !counted(r, "rejected", "port") {
					t.Errorf("counts %+v, want an instance rejected for its port", r.Counts())
				}
				var want []string
				if tt.reason != "" {
					want = []string{tt.reason}
				}
				if got := c.reasons(); !slices.Equal(got, want) {
					t.Errorf("errors = %q, want %q", got, want)
				}
			})
		})
	}
}

func counted(r *consul.Registry, event, reason string) bool {
	return slices.ContainsFunc(r.Counts(), func(c discovery.Count) bool {
		return c.Service == "web" && c.Event == event && c.Reason == reason && c.N > 0
	})
}

func TestRule20_aBodyWithoutEndIsCutOff(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter){
		"length announced": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "67108864"); endless(w, 1<<20) },
		"chunked":          func(w http.ResponseWriter) { endless(w, 64<<20) },
		"gzip": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			endless(z, 64<<20)
			z.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
					if n > 0 {
						w.Header().Set("X-Consul-Index", "9")
						send(w)
					}
					return n > 0
				})
				cfg := f.config()
				cfg.MaxBody = 1 << 20
				r := open(t, cfg)
				defer r.Close()
				if _, err := r.Lookup(t.Context(), "web"); err == nil || !strings.Contains(err.Error(), consul.TooLarge) {
					t.Errorf("Lookup = %v, want it to say that the answer is too large", err)
				}
			})
		})
	}
}

// endless writes n bytes of a list.
func endless(w interface{ Write([]byte) (int, error) }, n int) {
	one := []byte("[" + instance("10.0.0.1:80") + ",")
	for written := 0; written < n; written += len(one) {
		if _, err := w.Write(one); err != nil {
			return
		}
		one[0] = ' '
	}
}

func TestToken_fileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	bubble(t, func(t *testing.T, f *fake) {
		var mu sync.Mutex // guards seen
		var seen []string
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, r.Header.Get("X-Consul-Token"))
			return false
		})
		var told events
		cfg := f.config()
		cfg.TokenFile, cfg.OnEvent = file, told.add
		r := open(t, cfg)
		defer r.Close()
		for _, step := range []func(){func() {}, func() { write("second") }, func() { write("") }, func() { os.Remove(file) }, func() { write("third") }} {
			step()
			if _, err := r.Lookup(t.Context(), "web"); err != nil {
				t.Error(err)
			}
		}
		if want := []string{"first", "second", "second", "second", "third"}; !slices.Equal(seen, want) {
			t.Errorf("tokens = %q, want %q", seen, want)
		}
		if told.count(consul.TokenUnread) != 1 {
			t.Errorf("told %d times that the file cannot be read, want once", told.count(consul.TokenUnread))
		}
	})
	if _, err := consul.New(consul.Config{TokenFile: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("New takes a token file that is not there")
	}
}
