// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/dns"
)

func ExampleNew() {
	registry, err := dns.New(dns.Config{
		Query: func(service string) string { return "_grpc._tcp." + service + ".service.consul" },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var _ discovery.Resolver = registry // for mesh.WithResolver
	for eps, err := range must(dns.New(dns.Config{})).Watch(context.Background(), "127.0.0.1:9080") {
		fmt.Println(eps[0].Addrs, err) // an address is not looked up
		break
	}
	// Output:
	// [127.0.0.1:9080] <nil>
}

func must(r *dns.Resolver, err error) *dns.Resolver {
	if err != nil {
		panic(err)
	}
	return r
}

// resolver makes a Resolver that asks z.
func resolver(t *testing.T, z *zone, cfg dns.Config) *dns.Resolver {
	t.Helper()
	if cfg.Dial == nil {
		cfg.Dial = z.Dial
	}
	if cfg.Servers == nil {
		cfg.Servers = []string{"192.0.2.1"}
	}
	r, err := dns.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// told is a set as "1.2.3.4:80[,more] w5 p1; ...", or an error's text.
func told(set []discovery.Endpoint, err error) string {
	if err != nil {
		return "error " + err.Error()
	}
	var parts []string
	for _, e := range set {
		s := strings.Join(e.Addrs, ",")
		if e.Weight != 0 {
			s += fmt.Sprint(" w", e.Weight)
		}
		if e.Priority != 0 {
			s += fmt.Sprint(" p", e.Priority)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

func TestResolver_lookup(t *testing.T) {
	z := newZone()
	z.set("a.test.", 60, "10.0.0.2", "10.0.0.1", "fd00::1", "10.0.0.1")
	z.set("alias.test.", 60, "alias2.test.")
	z.set("alias2.test.", 60, "a.test.")
	z.set("loop.test.", 60, "loop.test2.")
	z.set("_grpc._tcp.s.test.", 60, "20 0 90 h1.test.", "10 5 91 h1.test.", "10 1 92 h2.test.", "10 1 92 h2.test.", "10 1 0 h2.test.", "30 1 93 gone.test.")
	z.set("_no._tcp.s.test.", 60, "0 0 1 .")
	z.set("h1.test.", 60, "10.1.0.1", "fd00::2")
	z.set("h2.test.", 60, "10.1.0.2")
	z.set("short.one.test.", 60, "10.2.0.1")
	z.set("short2.two.test.", 60, "10.2.0.2")
	z.set("bare.", 60, "10.2.0.3")
	z.rcode["broken.test."] = dnsmessage.RCodeServerFailure
	for _, tt := range []struct {
		name, want string
		cfg        dns.Config
	}{
		{name: "a.test:80", want: "10.0.0.1:80; 10.0.0.2:80; [fd00::1]:80"},
		{name: "A.Test.:80", want: "10.0.0.1:80; 10.0.0.2:80; [fd00::1]:80"},
		{name: "a.test:80", want: "10.0.0.1:80; 10.0.0.2:80", cfg: dns.Config{Family: dns.IPv4}},
		{name: "a.test", want: "[fd00::1]:7", cfg: dns.Config{Family: dns.IPv6, Port: 7}},
		{name: "alias.test:80", want: "10.0.0.1:80; 10.0.0.2:80; [fd00::1]:80"},
		{name: "h2.test:80", want: "", cfg: dns.Config{Family: dns.IPv6}},
		{name: "[fd00::9]:80", want: "[fd00::9]:80"},
		{name: "10.9.9.9", want: "10.9.9.9:7", cfg: dns.Config{Port: 7}},
		{name: "_grpc._tcp.s.test", want: "10.1.0.1:91,[fd00::2]:91 w5; 10.1.0.2:92 w1; 10.1.0.1:90,[fd00::2]:90 p1"},
		{name: "_grpc._tcp.s.test", want: "10.1.0.1:91 w5; 10.1.0.2:92 w1; 10.1.0.1:90 p1", cfg: dns.Config{Family: dns.IPv4}},
		{name: "_no._tcp.s.test", want: ""},
		{name: "s", want: "10.1.0.1:91 w5; 10.1.0.2:92 w1; 10.1.0.1:90 p1", cfg: dns.Config{Family: dns.IPv4, Query: func(s string) string { return "_grpc._tcp." + s + ".test" }}},
		{name: "_grpc._tcp.s", want: "10.1.0.1:91 w5; 10.1.0.2:92 w1; 10.1.0.1:90 p1", cfg: dns.Config{Family: dns.IPv4, Search: []string{"none", "test"}}},
		{name: "short:1", want: "10.2.0.1:1", cfg: dns.Config{Search: []string{"one.test", ".two.test."}}},
		{name: "short2:1", want: "10.2.0.2:1", cfg: dns.Config{Search: []string{"one.test", ".two.test."}}},
		{name: "bare:1", want: "10.2.0.3:1", cfg: dns.Config{Search: []string{"one.test", ".two.test."}}},
		{name: "none.test:80", want: `error discovery: unknown service: "none.test:80" does not exist in DNS`},
		{name: "broken.test:80", want: "answered ServerFailure"},
		{name: "a.test", want: "no port"},
		{name: "a.test:0", want: "not a number from 1"},
		{name: "a.test:http", want: "not a number from 1"},
		{name: "a..test:80", want: "a part of 0 bytes"},
		{name: strings.Repeat("a", 64) + ":80", want: "a part of 64 bytes"},
		{name: strings.Repeat("a.", 127) + "aa:80", want: "253 at most"},
		{name: "_grpc.tcp.a", want: "an SRV name is"},
		{name: "_grpc._tcp", want: "an SRV name is"},
		{name: "_grpc._tcp.", want: "a part of 0 bytes"},
		{name: ":80", want: "a part of 0 bytes"},
		{name: "", want: "no port"},
	} {
		got := told(resolver(t, z, tt.cfg).Lookup(t.Context(), tt.name))
		if got != tt.want && (tt.want == "" || !strings.HasPrefix(got, "error ") || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
}

func TestResolver_takesAddressesThatComeWithTheAnswer(t *testing.T) {
	z := newZone()
	z.set("_x._tcp.s.test.", 60, "1 1 90 h1.test.", "1 1 90 H2.test.")
	z.extra = []dnsmessage.Resource{resource("h1.test.", 60, "10.0.0.1"), resource("h2.test.", 60, "10.0.0.2")}
	if got := told(resolver(t, z, dns.Config{}).Lookup(t.Context(), "_x._tcp.s.test")); got != "10.0.0.1:90 w1; 10.0.0.2:90 w1" {
		t.Error(got)
	}
	if got := z.questions(); len(got) != 1 {
		t.Errorf("asked %q, want one question", got)
	}
}

func TestResolver_overRealSockets(t *testing.T) {
	z, down := newZone(), newZone()
	down.silent = true
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprintf("10.0.%d.%d", i/200, i%200))
	}
	z.set("many.test.", 60, many...)
	z.set("a.test.", 60, "10.0.0.1")
	z.forged = true
	cfg := dns.Config{Servers: []string{"127.0.0.1:1", down.listen(t), z.listen(t)}, Timeout: 100 * time.Millisecond, Family: dns.IPv4}
	r := must(dns.New(cfg))
	if got := told(r.Lookup(t.Context(), "a.test:80")); got != "10.0.0.1:80" {
		t.Errorf("past a port that is closed, a silent server and forged answers: %s", got)
	}
	z.change(func(z *zone) { z.cut = true })
	set, err := r.Lookup(t.Context(), "many.test:80")
	if len(set) != 400 || err != nil || !slices.Equal(z.over, []string{"udp", "udp", "tcp"}) {
		t.Errorf("over %v: %d endpoints, %v; want 400, over TCP", z.over, len(set), err)
	}
	z.change(func(z *zone) { z.silent = true })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Lookup(ctx, "a.test:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that ends: %v", err)
	}
}

func TestNew_refusesWhatMakesNoSense(t *testing.T) {
	for _, tt := range []struct {
		cfg  dns.Config
		want string
	}{
		{dns.Config{MinTTL: -1}, "MinTTL"},
		{dns.Config{MinTTL: time.Hour}, "MaxTTL"},
		{dns.Config{Timeout: -1}, "Timeout"},
		{dns.Config{Jitter: 1.5}, "Jitter"},
		{dns.Config{Family: 3}, "Family"},
		{dns.Config{Servers: []string{""}}, "server"},
		{dns.Config{Servers: []string{"a b"}}, "server"},
	} {
		if _, err := dns.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error about %s", tt.cfg, err, tt.want)
		}
	}
}

// follow ranges over a watch in a bubble and gives what it yielded so far.
func follow(ctx context.Context, r *dns.Resolver, service string) func() []string {
	var mu sync.Mutex
	var all []string
	go func() {
		for set, err := range r.Watch(ctx, service) {
			mu.Lock()
			all = append(all, told(set, err))
			mu.Unlock()
		}
	}()
	return func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func bubble(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f(t, ctx)
	})
}

func TestResolver_watchAsksWhenTheAnswerIsOld(t *testing.T) {
	for _, tt := range []struct {
		ttl  uint32
		want int // questions in an hour
	}{{0, 720}, {1, 720}, {20, 180}, {60, 60}, {100_000, 12}, {1 << 31, 720}} {
		bubble(t, func(t *testing.T, ctx context.Context) {
			z := newZone()
			z.set("a.test.", tt.ttl, "10.0.0.1")
			all := follow(ctx, resolver(t, z, dns.Config{Family: dns.IPv4, Jitter: -1}), "a.test:80")
			time.Sleep(time.Hour - time.Second)
			if got := all(); !slices.Equal(got, []string{"10.0.0.1:80"}) {
				t.Errorf("told %q, want one set", got)
			}
			if n := len(z.questions()); n != tt.want {
				t.Errorf("a TTL of %d s: %d questions in an hour, want %d", tt.ttl, n, tt.want)
			}
		})
	}
}

func TestResolver_watchersDoNotMarchInStep(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		z := newZone()
		z.set("a.test.", 60, "10.0.0.1")
		r := resolver(t, z, dns.Config{Family: dns.IPv4})
		for range 100 {
			follow(ctx, r, "a.test:80")
		}
		time.Sleep(60 * time.Second)
		before := len(z.questions())
		time.Sleep(6 * time.Second)
		synctest.Wait()
		after := len(z.questions())
		if before > 110 || after != 200 {
			t.Errorf("%d questions in 60 s, %d in 66 s; want 100 and then 200", before, after)
		}
	})
}

// TestResolver_watchWhenServersAreSilent: errors are news, at a rate that does not grow,
// and the first answer afterwards says that it is over.
func TestResolver_watchWhenServersAreSilent(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		z := newZone()
		z.set("a.test.", 5, "10.0.0.1")
		all := follow(ctx, resolver(t, z, dns.Config{Family: dns.IPv4, Jitter: -1}), "a.test:80")
		all()
		z.change(func(z *zone) { z.silent = true })
		time.Sleep(time.Hour)
		got := all()
		if n := len(got) - 1; n < 300 || n > 720 || got[0] != "10.0.0.1:80" {
			t.Errorf("%d errors in an hour, want about 510: a wait of 5 s and a timeout of 2 s", n)
		}
		if last := got[len(got)-1]; !strings.Contains(last, "dns: server 192.0.2.1:53 about a.test. A: ") {
			t.Errorf("told %s, want the server and the question", last)
		}
		z.change(func(z *zone) { z.silent = false })
		time.Sleep(12 * time.Second)
		if last := all(); last[len(last)-1] != "10.0.0.1:80" {
			t.Errorf("told %s at last, want the set that says that it is over", last[len(last)-1])
		}
	})
}

// TestResolver_watchKeepsWhatOneQuestionGave, while another fails.
func TestResolver_watchKeepsWhatOneQuestionGave(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		z := newZone()
		z.set("_x._tcp.s.test.", 5, "1 1 90 h1.test.", "1 1 90 h2.test.")
		z.set("h1.test.", 5, "10.0.0.1")
		z.set("h2.test.", 5, "10.0.0.2")
		all := follow(ctx, resolver(t, z, dns.Config{Jitter: -1}), "_x._tcp.s.test")
		all()
		z.change(func(z *zone) { z.rcode["h2.test."] = dnsmessage.RCodeServerFailure })
		z.set("h1.test.", 5, "10.0.0.3")
		time.Sleep(time.Minute)
		want := []string{"10.0.0.1:90 w1; 10.0.0.2:90 w1", "10.0.0.3:90 w1; 10.0.0.2:90 w1"}
		if got := all(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestResolver_watchOfANameThatComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		z := newZone()
		z.soa = 7
		all := follow(ctx, resolver(t, z, dns.Config{Family: dns.IPv4, Jitter: -1}), "a.test:80")
		time.Sleep(69 * time.Second)
		if n := len(z.questions()); n != 10 {
			t.Errorf("%d questions in 69 s, want one in the 7 s that nothing holds", n)
		}
		z.set("a.test.", 5, "10.0.0.1")
		time.Sleep(10 * time.Second)
		z.set("a.test.", 5)
		z.set("a.test.", 5, "fd00::1") // the name is there, but has no A record
		time.Sleep(10 * time.Second)
		unknown := `error discovery: unknown service: "a.test:80" does not exist in DNS`
		if got, want := all(), []string{unknown, "", "10.0.0.1:80", ""}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestResolver_watchOfANameThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		all := follow(ctx, resolver(t, newZone(), dns.Config{}), "a.test")
		if got := all(); len(got) != 2 || !strings.Contains(got[0], "no port") || got[1] != "" {
			t.Errorf("told %q, want the error and the empty set", got)
		}
	})
}

func TestResolver_answersThatCannotBeRead(t *testing.T) {
	z := newZone()
	z.set("a.test.", 5, "10.0.0.1")
	z.garbage = true
	if got := told(resolver(t, z, dns.Config{}).Lookup(t.Context(), "a.test:80")); !strings.HasPrefix(got, "error dns: server") {
		t.Error(got)
	}
}

// TestResolver_inACache: the whole as a mesh has it. A zone that loses its records for a
// moment empties nothing.
func TestResolver_inACache(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		z := newZone()
		z.set("a.test.", 5, "10.0.0.1", "10.0.0.2")
		cache, err := discovery.NewCache(resolver(t, z, dns.Config{Family: dns.IPv4, Jitter: -1}), discovery.CacheConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		var all []string
		go func() {
			for set, err := range cache.Watch(ctx, "a.test:80") {
				all = append(all, told(set, err))
			}
		}()
		time.Sleep(time.Minute)
		z.set("a.test.", 5)
		time.Sleep(8 * time.Second)
		z.set("a.test.", 5, "10.0.0.1", "10.0.0.2")
		time.Sleep(time.Minute)
		z.set("a.test.", 5)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if all[0] != "10.0.0.1:80; 10.0.0.2:80" || all[len(all)-1] != "" || slices.Index(all, "") != len(all)-1 {
			t.Errorf("told %q; want both endpoints, and none at the very end only", all)
		}
		if got := cache.Status().Services[0]; got.Suppressed != 2 {
			t.Errorf("status %+v, want two sets suppressed", got)
		}
	})
}
