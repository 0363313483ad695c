// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/agent/xds"
	scenario "github.com/enmesh-go/enmesh/internal/ledger"
)

// warnings counts what is logged.
type warnings struct {
	slog.Handler
	count atomic.Int64
}

func (w *warnings) Enabled(context.Context, slog.Level) bool { return true }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "rejected") {
		w.count.Add(1)
	}
	return nil
}

// TestScenarioX5_rejected pushes what clients refuse to grpc-go's own: it keeps what it has,
// is not asked again and again, and what others have, and its own other resources, go on.
func TestScenarioX5_rejected(t *testing.T) {
	scenario.Baseline(t)
	regex := &routev3.RouteConfiguration{Name: "reviews", VirtualHosts: []*routev3.VirtualHost{{Name: "v", Domains: []string{"*"}, Routes: []*routev3.Route{{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "("}}},
	}}}}}
	for _, c := range []struct {
		name string
		bad  xds.Resource
	}{
		{"unknown balancing", clusterOf("reviews", clusterv3.Cluster_MAGLEV)},
		{"bad expression", resource(xds.Route, "reviews", regex)},
		{"cluster without a type", resource(xds.Cluster, "reviews", &clusterv3.Cluster{Name: "reviews"})},
		{"empty cluster name", xds.Resource{Kind: xds.Endpoints, Name: "reviews", Version: "nameless", Body: endpointsOf("", "127.0.0.1:1").Body}},
		{"address twice", resource(xds.Endpoints, "reviews", &endpointv3.ClusterLoadAssignment{ClusterName: "reviews", Endpoints: []*endpointv3.LocalityLbEndpoints{{}}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat, log := newScript(), &warnings{}
			for _, name := range []string{"reviews", "ratings"} {
				cat.set(serviceOf(name, backend(t))...)
			}
			s, addr := serve(t, xds.Config{Catalog: cat, Log: slog.New(log)})
			reviews, ratings := client(t, addr, "web-1", "reviews"), client(t, addr, "web-2", "ratings")
			for _, cc := range []*grpc.ClientConn{reviews, ratings} {
				if err := check(cc); err != nil {
					t.Fatal(err)
				}
			}
			k := c.bad.Kind
			eventually(t, "accepted", func() bool { return statusOf(s, "web-1", k, "reviews").State == xds.Accepted })
			cat.set(c.bad)
			state := func() xds.Status { return statusOf(s, "web-1", k, "reviews") }
			eventually(t, "rejected", func() bool { return state().State == xds.Rejected })
			if st := state(); st.Latest != c.bad.Version || st.Version == c.bad.Version || st.Error == "" {
				t.Errorf("got %+v, want the old version and the client's reason", st)
			}
			for _, tally := range s.Tallies() {
				if got, want := tally.Rejected[k], map[string]int{"web-1": 1}[tally.Node.ID]; got != want {
					t.Errorf("tally of %s: got %d rejected, want %d", tally.Node.ID, got, want)
				}
			}
			for other := xds.Listener; other <= xds.Endpoints; other++ {
				if st := statusOf(s, "web-1", other, "reviews"); other != k && st.State != xds.Accepted {
					t.Errorf("%s of the same client: %s, want accepted", other, st.State)
				}
			}
			for range 10 {
				if err := check(reviews); err != nil {
					t.Fatalf("what was accepted does not hold: %v", err)
				}
				if err := check(ratings); err != nil {
					t.Fatalf("another client: %v", err)
				}
			}
			time.Sleep(200 * time.Millisecond) // a loop would have begun
			if n := log.count.Load(); n != 1 {
				t.Errorf("rejected %d times, want 1", n)
			}
		})
	}
}

// TestScenarioX7_manyClients has many clients follow services that change 50 times a second.
// The figures of the bench are better: here the clients are in the same process.
func TestScenarioX7_manyClients(t *testing.T) {
	streams, bound := 200, 10*time.Second
	if scenario.Full() {
		streams, bound = 1000, 2*time.Second
	}
	scenario.Baseline(t)
	c := runChurn(t, 1000, streams, 20, 50, min(5*time.Second, scenario.Short(5*time.Second)))
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.lags)
	if len(c.lags) == 0 {
		t.Fatal("nothing was received")
	}
	p99 := c.lags[len(c.lags)*99/100]
	t.Logf("%d streams: %d pushes, p99 %v, at most %v, %d MiB with the clients", streams, len(c.lags), p99, c.lags[len(c.lags)-1], c.used>>20)
	if p99 > bound {
		t.Errorf("p99 %v, want at most %v", p99, bound)
	}
	if c.used > 300<<20 {
		t.Errorf("%d MiB, want at most 300", c.used>>20)
	}
}

// TestScenarioX8_slowReader has a client that reads nothing: it takes little memory, others
// do not wait for it, and it is cut.
func TestScenarioX8_slowReader(t *testing.T) {
	scenario.Baseline(t)
	slow, lasting := 2*time.Second, time.Second
	if scenario.Full() {
		slow, lasting = xds.DefaultSlow, 5*time.Second
	}
	cat := newScript()
	s, addr := serve(t, xds.Config{Catalog: cat, Slow: slow})
	pad := strings.Repeat("x", 100<<10)
	var names []string
	for i := range 40 { // 4 MiB of clusters
		r := cluster(pad[:900] + string(rune('A'+i)))
		r.Body.Value = append(r.Body.Value, append([]byte{0xfa, 0x7f, 0x80, 0xa0, 0x06}, pad...)...)
		cat.set(r, endpointsOf(r.Name, "127.0.0.1:1"))
		names = append(names, r.Name)
	}
	quick := dial(t, addr, "quick")
	e := endpointsOf("a", "127.0.0.1:1")
	cat.set(e)
	quick.ask(xds.Endpoints, "a")
	last := quick.wants(e)
	port := 1
	push := func() time.Duration { // of one change, which concerns the slow one as well
		port++
		quick.ack(last, "a")
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		e = endpointsOf("a", at)
		began := time.Now()
		cat.set(endpointsOf(names[0], at), e)
		last = quick.wants(e)
		return time.Since(began)
	}
	measure := func(each func()) []time.Duration {
		var took []time.Duration
		for start := time.Now(); time.Since(start) < lasting; {
			took = append(took, push())
			each()
		}
		slices.Sort(took)
		return took
	}
	before := measure(func() {})

	used := heap()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// Its transport reads 64 KiB ahead and no more: that is in this process, too, and grows by
	// itself to megabytes otherwise.
	small := dialed(t, addr, grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	st, err := discoveryv3.NewAggregatedDiscoveryServiceClient(small).StreamAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, k := range []xds.Kind{xds.Cluster, xds.Endpoints} {
		if err := st.Send(&discoveryv3.DiscoveryRequest{TypeUrl: k.TypeURL(), ResourceNames: names, Node: &corev3.Node{Id: "slow"}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the slow one is there", func() bool { return len(s.Clients()) == 2 })
	after := measure(func() {
		if more := heap() - used; more > 4<<20 {
			t.Fatalf("got %d bytes for a client that does not read, want at most 4 MiB", more)
		}
	})
	p99 := func(took []time.Duration) time.Duration { return took[len(took)*99/100] }
	t.Logf("p99 of pushes to another: %v before, %v with it", p99(before), p99(after))
	if p99(after) > 2*p99(before)+time.Second { // that is slack for a busy machine: 20% is meant
		t.Errorf("p99 of pushes to another: got %v, before it was %v", p99(after), p99(before))
	}
	eventuallyWithin(t, "the slow one is gone", slow+15*time.Second, func() bool {
		clients := s.Clients()
		return len(clients) == 1 && clients[0].Node.ID == "quick"
	})
	t.Logf("cut after %v", time.Since(began))
}

// TestScenarioX10_twoServers has a client move between two servers that disagree, and back:
// what the server says that it is connected to holds.
func TestScenarioX10_twoServers(t *testing.T) {
	scenario.Baseline(t)
	a, b := backend(t), backend(t)
	addr := ""
	var cc *grpc.ClientConn
	for i, at := range []string{a, b, a} {
		cat := newScript()
		cat.set(serviceOf("reviews", at)...)
		l, err := net.Listen("tcp", cmp.Or(addr, "127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		addr = l.Addr().String()
		s := serveOn(t, xds.Config{Catalog: cat}, l)
		if cc == nil {
			cc = client(t, addr, "web-1", "reviews")
		}
		eventually(t, "told by the server of now", func() bool {
			if err := check(cc); err != nil {
				t.Fatalf("server %d: %v", i, err)
			}
			return statusOf(s, "web-1", xds.Endpoints, "reviews").State == xds.Accepted
		})
		if got := statusOf(s, "web-1", xds.Endpoints, "reviews").Version; got != endpointsOf("reviews", at).Version {
			t.Errorf("server %d: the client has version %s", i, got)
		}
		_ = s.Close()
	}
}

// TestScenarioX13_upgrade replaces a server by another on the same address while calls run:
// none fails, and the clients come over one after the other.
func TestScenarioX13_upgrade(t *testing.T) {
	scenario.Baseline(t)
	over := 3 * time.Second
	if scenario.Full() {
		over = 30 * time.Second
	}
	const many = 40
	cat := newScript()
	cat.set(serviceOf("reviews", backend(t))...)
	l, err := xds.ListenLoopback("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	first := serveOn(t, xds.Config{Catalog: cat}, l)
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	defer loops.Wait()
	defer cancel()
	for i := range many {
		loops.Go(func() { stay(ctx, t, addr, i) })
	}
	cc := client(t, addr, "web-1", "reviews")
	if err := check(cc); err != nil {
		t.Fatal(err)
	}
	var calls, failed atomic.Int64
	loops.Go(func() {
		for ctx.Err() == nil {
			if err := check(cc); err != nil && ctx.Err() == nil {
				failed.Add(1)
				t.Error(err)
			}
			calls.Add(1)
			time.Sleep(2 * time.Millisecond)
		}
	})
	eventually(t, "all are there", func() bool { return len(first.Clients()) == many+1 })

	drained := make(chan error, 1)
	began := time.Now()
	go func() { drained <- first.Drain(context.Background(), over) }()
	var second net.Listener
	eventually(t, "the address is free", func() bool {
		second, err = net.Listen("tcp", addr)
		return err == nil
	})
	next := serveOn(t, xds.Config{Catalog: cat}, second)
	eventuallyWithin(t, "all have come over", over+30*time.Second, func() bool { return len(next.Clients()) == many+1 })
	if err := <-drained; err != nil {
		t.Error(err)
	}
	_ = first.Close()
	var came []time.Duration
	for _, c := range next.Clients() {
		came = append(came, c.Since.Sub(began))
	}
	slices.Sort(came)
	t.Logf("%d calls, %d failed; the clients came after %v to %v", calls.Load(), failed.Load(), came[0], came[many])
	if crowd := crowded(came, over/6); crowd > len(came)/2 {
		t.Errorf("%d of %d clients came within %v of %v", crowd, len(came), over/6, over)
	}
	cat.set(endpointsOf("reviews", backend(t)))
	eventually(t, "the new one is heard", func() bool { return statusOf(next, "web-1", xds.Endpoints, "reviews").State == xds.Accepted })
}

// stay is a client that comes back whenever its stream ends.
func stay(ctx context.Context, t *testing.T, addr string, i int) {
	cc := dialed(t, addr)
	for ctx.Err() == nil {
		st, err := discoveryv3.NewAggregatedDiscoveryServiceClient(cc).StreamAggregatedResources(ctx, grpc.WaitForReady(true))
		if err != nil {
			continue
		}
		names := []string{"reviews"}
		err = st.Send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.Endpoints.TypeURL(), ResourceNames: names, Node: &corev3.Node{Id: "n" + strconv.Itoa(i)}})
		for err == nil {
			var m *discoveryv3.DiscoveryResponse
			if m, err = st.Recv(); err == nil {
				err = st.Send(&discoveryv3.DiscoveryRequest{TypeUrl: m.GetTypeUrl(), ResponseNonce: m.GetNonce(), ResourceNames: names})
			}
		}
	}
}

// crowded is how many of sorted moments are within so long of each other at most.
func crowded(sorted []time.Duration, within time.Duration) int {
	most, from := 0, 0
	for i := range sorted {
		for sorted[i]-sorted[from] > within {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}
