// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package entries_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/policy/entries"
)

// parse compiles ServiceEntries, each a name and a spec.
func parse(t testing.TB, specs ...string) *policy.Snapshot {
	t.Helper()
	var text strings.Builder
	for i, spec := range specs {
		fmt.Fprintf(&text, "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s%d}\nspec: {%s}\n---\n", i, spec)
	}
	s, err := policy.Parse([]policy.File{{Name: "s.yaml", Data: []byte(text.String())}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// collector is what a watch has yielded, one word for each: addresses at port 80, or an
// error in angle brackets.
type collector struct {
	mu  sync.Mutex // guards all
	all []string
}

func (c *collector) run(ctx context.Context, r discovery.Resolver, key string) {
	for set, err := range r.Watch(ctx, key) {
		c.mu.Lock()
		if err != nil {
			c.all = append(c.all, "<"+err.Error()+">")
		} else {
			c.all = append(c.all, addresses(set))
		}
		c.mu.Unlock()
	}
}

func addresses(set []discovery.Endpoint) string {
	out := []string{}
	for _, e := range set {
		addrs, _ := e.Address(80, "http")
		out = append(out, strings.Join(addrs, "+"))
	}
	slices.Sort(out)
	return "[" + strings.Join(out, " ") + "]"
}

func (c *collector) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.all, want) {
		t.Errorf("yielded %q, want %q", c.all, want)
	}
	c.all = nil
}

// wantLast is want for the last word, where there may be several in any order.
func (c *collector) wantLast(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 || c.all[len(c.all)-1] != want {
		t.Errorf("yielded %q, want %q at last", c.all, want)
	}
	c.all = nil
}

func watch(t *testing.T, r discovery.Resolver, key string) *collector {
	ctx, cancel := context.WithCancel(t.Context())
	c, done := &collector{}, make(chan struct{})
	go func() { defer close(done); c.run(ctx, r, key) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

const p80 = "ports: [{number: 80, name: http, protocol: HTTP}]"

func at(addr string) discovery.Endpoint { return discovery.Endpoint{Addrs: []string{addr}} }

// Policy gives a service to an entry and back to the registry, which is asked for it by its
// own name; what says nothing new is no news.
func TestResolver_followsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := discovery.NewMemory()
		registry.Set("a", at("10.0.0.1:80"))
		r := entries.New(entries.Config{Registry: registry, Name: func(key string) string { return key[:strings.IndexByte(key, '.')] }})
		c, moved := watch(t, r, "a.default.svc.cluster.local"), "<"+entries.ErrMoved.Error()+">"
		c.want(t, "[10.0.0.1:80]")
		static := "hosts: [a], " + p80 + ", resolution: STATIC, endpoints: [{address: 10.7.0.1}, {address: 10.7.0.2, weight: 3}]"
		r.Set(parse(t, static))
		c.want(t, moved, "[10.7.0.1:80 10.7.0.2:80]")
		r.Set(parse(t, static, "hosts: [b.example.com], "+p80))
		registry.Set("a", at("10.0.0.2:80"))
		c.want(t)
		r.Set(parse(t, strings.Replace(static, "10.7.0.2", "10.7.0.3", 1)))
		c.want(t, moved, "[10.7.0.1:80 10.7.0.3:80]")
		r.Set(&policy.Snapshot{})
		c.want(t, moved, "[10.0.0.2:80]")
	})
}

// What DNS says of the names is what endpoints there are, as the document describes them.
func TestFinder_looksUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := discovery.NewMemory()
		r := entries.New(entries.Config{Registry: discovery.NewMemory(), Finder: entries.Finder{DNS: names}})
		r.Set(parse(t,
			"hosts: [API.example.com., b.example.com], "+p80+", resolution: DNS",
			"hosts: [two.example.com], "+p80+", resolution: DNS, endpoints: [{address: 10.1.1.1, ports: {http: 8080}}, {address: East.example.com, ports: {http: 9080}}]",
			"hosts: [one.example.com], "+p80+", resolution: DNS_ROUND_ROBIN",
			"hosts: ['*.wild.example.com'], "+p80+", resolution: DYNAMIC_DNS"))
		api, two, one := watch(t, r, "api.example.com"), watch(t, r, "two.example.com"), watch(t, r, "one.example.com")
		wild := watch(t, r, "x.wild.example.com")
		const unknown = `<entries: api.example.com: discovery: unknown service: "api.example.com:80" is not registered in this process>`
		api.want(t, unknown, "[]")
		two.wantLast(t, "[10.1.1.1:8080]") // what is known does not wait for DNS
		for _, host := range []string{"api", "one"} {
			names.Set(host+".example.com:80", at("10.2.0.1:80"), at("10.2.0.2:80"))
		}
		names.Set("east.example.com:9080", at("10.3.0.1:9080"))
		names.Set("x.wild.example.com:80", at("10.4.0.1:80"))
		api.want(t, "[10.2.0.1:80 10.2.0.2:80]")
		two.want(t, "[10.1.1.1:8080 10.3.0.1:9080]")
		one.want(t, strings.ReplaceAll(unknown, "api", "one"), "[]", "[10.2.0.1:80]")
		wild.want(t, strings.ReplaceAll(unknown, "api", "x.wild"), "[]", "[10.4.0.1:80]")
		names.Set("one.example.com:80", at("10.2.0.9:80"), at("10.2.0.1:80")) // the one in use is there still
		names.Set("api.example.com:80")
		api.want(t, "[]")
		one.want(t, "[10.2.0.1:80]")
		names.Set("one.example.com:80", at("10.2.0.9:80"), at("10.2.0.8:80"))
		one.want(t, "[10.2.0.9:80]")
	})
}

// What needs no DNS does without it; what does says so.
func TestFinder_passesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := parse(t, "hosts: ['*.bar.com', Local], "+p80, "hosts: [bare.example.com], resolution: STATIC, endpoints: [{address: 10.1.1.1}]",
			"hosts: [dns.example.com], "+p80+", resolution: DNS", "hosts: [sock.example.com], "+p80+", resolution: STATIC, endpoints: [{address: 'unix:///x'}, {address: 10.1.1.1}]")
		names := discovery.NewMemory()
		names.Set("x.bar.com:80", at("10.4.0.1:80"))
		for _, tt := range []struct {
			key    string
			finder entries.Finder
			want   string
		}{
			{"x.bar.com", entries.Finder{}, "[x.bar.com:80]"},
			{"local.default.svc.cluster.local", entries.Finder{}, "[local:80]"},
			{"x.bar.com", entries.Finder{DNS: names, LookUp: true}, "[10.4.0.1:80]"},
			{"bare.example.com", entries.Finder{}, "[]"},
			{"sock.example.com", entries.Finder{}, "[10.1.1.1:80]"},
			{"dns.example.com", entries.Finder{}, "<entries: there is no resolver to ask DNS with>"},
		} {
			r := entries.New(entries.Config{Registry: discovery.NewMemory(), Finder: tt.finder})
			r.Set(s)
			watch(t, r, tt.key).want(t, tt.want)
		}
	})
}

// A consumer that has enough, and one whose context ends, leave nothing behind.
func TestResolver_ends(t *testing.T) {
	r := entries.New(entries.Config{Registry: discovery.NewStatic(map[string][]discovery.Endpoint{"a": {at("10.0.0.1:80")}})})
	for range r.Watch(t.Context(), "a") {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for set, err := range r.Watch(ctx, "a") {
		t.Errorf("yielded %v, %v after the end", set, err)
	}
	r.Set(parse(t, "hosts: [a.example.com], "+p80))
	for range r.Watch(t.Context(), "a.example.com") {
		r.Set(&policy.Snapshot{})
		break
	}
	for set, err := range r.Watch(t.Context(), "b") {
		if !errors.Is(err, discovery.ErrUnknownService) {
			t.Errorf("got %v, %v", set, err)
		}
		break
	}
}
