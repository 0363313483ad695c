// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/faultnet"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// serveBoth serves HTTP/1.1 and HTTP/2 on one address, and gRPC on another: with grpc's own
// server, since its pings are what a scenario may be about. /wait answers with the end of
// the request.
func serveBoth(t *testing.T, name string, receipts *ledger.Receipts, opts ...grpc.ServerOption) (web, rpc string) {
	t.Helper()
	if receipts == nil {
		receipts = new(ledger.Receipts)
	}
	handler := receipts.Handler(name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "done")
	}))
	wl, gl := loopback(t), loopback(t)
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	calls := grpc.NewServer(append(opts, grpc.ChainUnaryInterceptor(receiptsOf(receipts, name)))...)
	grpc_health_v1.RegisterHealthServer(calls, health.NewServer())
	done := make(chan struct{}, 2)
	go func() { _ = server.Serve(wl); done <- struct{}{} }()
	go func() { _ = calls.Serve(gl); done <- struct{}{} }()
	t.Cleanup(func() { _ = server.Close(); calls.Stop(); <-done; <-done })
	return wl.Addr().String(), gl.Addr().String()
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestScenarioN4_halfOpen: the path to one of three hosts swallows everything in both
// directions, with no end of any connection. What was in flight there learns of it within
// 15 s over HTTP/2 and gRPC, on servers with this library's options and without; calls
// to other hosts do not notice; and when the path is back, so are the calls.
func TestScenarioN4_halfOpen(t *testing.T) {
	for name, opts := range map[string][]grpc.ServerOption{
		"foreign server": nil,
		"our server":     meshgrpc.NewServer(enmesh.Fixed(false)).Options(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			halfOpen(t, opts)
		})
	}
}

func halfOpen(t *testing.T, opts []grpc.ServerOption) {
	t.Helper()
	var webs, rpcs []string
	var links []*faultnet.Link
	for i := range 3 {
		web, rpc := serveBoth(t, string(rune('a'+i)), nil, opts...)
		wl, rl := faultnet.NewLink(t, web), faultnet.NewLink(t, rpc)
		webs, rpcs, links = append(webs, wl.Addr()), append(rpcs, rl.Addr()), append(links, wl, rl)
	}
	web, rpc := newTown(t, balance.ConnectionConfig{}, webs...), newTown(t, balance.ConnectionConfig{}, rpcs...)
	client, stub := web.client(true), rpc.stub()
	var ended [2]atomic.Int64 // of those that wait at the broken host: nanoseconds from the break
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	broken := make(chan time.Time)
	wait := func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+shop+"/wait", http.NoBody)
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if at, ok := <-broken; ok && ctx.Err() == nil {
			ended[0].Store(int64(time.Since(at)))
		}
	}
	watch := func() {
		ss, err := stub.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		for err == nil {
			_, err = ss.Recv()
		}
		if at, ok := <-broken; ok && ctx.Err() == nil {
			ended[1].Store(int64(time.Since(at)))
		}
	}
	for _, at := range []struct {
		cluster *balance.Cluster
		call    func()
	}{{web.web, wait}, {rpc.rpc, watch}} {
		calls := 0
		poll(t, 5*time.Second, "a call waits at each host", func() bool {
			for _, e := range at.cluster.Set().Endpoints {
				if e.InFlight() == 0 {
					calls++
					go at.call()
					return false
				}
			}
			return calls > 0
		})
	}
	load := ledger.Start(t.Context(), ledger.Config{Rate: 50, Timeout: 500 * time.Millisecond, Call: check(stub)})
	other := ledger.Start(t.Context(), ledger.Config{Rate: 50, Timeout: 500 * time.Millisecond, Call: ledger.HTTP(client, http.MethodGet, "http://"+shop+"/")})
	(&lab{t: t}).sleep(500 * time.Millisecond)
	at := time.Now()
	links[0].Freeze()
	links[1].Freeze()
	go func() {
		for ctx.Err() == nil {
			select {
			case broken <- at:
			case <-ctx.Done():
			}
		}
		close(broken)
	}()
	took := poll(t, 17*time.Second, "what waits there hears of it", func() bool { return ended[0].Load() > 0 && ended[1].Load() > 0 })
	h2, g := time.Duration(ended[0].Load()), time.Duration(ended[1].Load())
	t.Logf("HTTP/2 found out after %v, gRPC after %v (both after %v)", h2.Round(time.Millisecond), g.Round(time.Millisecond), took.Round(time.Millisecond))
	waiting := int(web.web.Set().Endpoints[1].InFlight() + web.web.Set().Endpoints[2].InFlight() + rpc.rpc.Set().Endpoints[1].InFlight() + rpc.rpc.Set().Endpoints[2].InFlight())
	if limit := 15*time.Second + 500*time.Millisecond; h2 > limit || g > limit {
		t.Errorf("found out after %v and %v, want 15 s", h2, g)
	}
	links[0].Thaw()
	links[1].Thaw()
	calls, failed := rpc.seen(rpcs[0])
	back := poll(t, 10*time.Second, "calls go there again", func() bool { c, f := rpc.seen(rpcs[0]); return c-f > calls-failed })
	t.Logf("calls over gRPC went there again after %v", back.Round(time.Millisecond))
	cancel()
	load.Stop()
	other.Stop()
	t.Log(load.Wait())
	t.Log(other.Wait())
	for _, w := range []struct {
		town  *town
		addrs []string
	}{{web, webs}, {rpc, rpcs}} {
		for _, addr := range w.addrs[1:] {
			if calls, failures := w.town.seen(addr); calls == 0 || failures > waiting { // those that waited are cancelled at the end
				t.Errorf("a host that nothing was wrong with: %d of %d calls failed", failures, calls)
			}
		}
	}
}

// TestScenarioN4_halfOpenHTTP1 is the same over HTTP/1.1, which has no pings of its own: TCP's
// probes find out. The connections of one of three hosts are dropped by its kernel, and calls
// that wait there without a deadline hear of it within 15 s; those to other hosts do not
// notice.
func TestScenarioN4_halfOpenHTTP1(t *testing.T) {
	t.Parallel()
	var cables []*faultnet.Severable
	var addrs []string
	arrived := make(chan string, 64)
	for range 3 {
		cable := faultnet.NewSeverable(t)
		addr := cable.Addr().String()
		cables, addrs = append(cables, cable), append(addrs, addr)
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				arrived <- addr
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, "done")
		})}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(cable) }()
		t.Cleanup(func() { _ = server.Close(); <-done })
	}
	w := newTown(t, balance.ConnectionConfig{}, addrs...)
	client := w.client(false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 64)
	waiting := map[string]int{} // by host
	for len(waiting) < 3 {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+shop+"/wait", http.NoBody)
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			ended <- err
		}()
		waiting[<-arrived]++
	}
	load := ledger.Start(t.Context(), ledger.Config{Rate: 50, Timeout: 500 * time.Millisecond, Call: ledger.HTTP(client, http.MethodGet, "http://"+shop+"/")})
	(&lab{t: t}).sleep(500 * time.Millisecond)
	cables[0].Sever(t)
	at := time.Now()
	for range waiting[addrs[0]] {
		select {
		case err := <-ended:
			took := time.Since(at)
			t.Logf("found out after %v: %v", took.Round(time.Millisecond), err)
			if err == nil || took > 15*time.Second+500*time.Millisecond {
				t.Errorf("found out after %v, with %v; want an error within 15 s", took, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("a call still waits after 30 s")
		}
	}
	for _, addr := range addrs[1:] {
		if calls, failures := w.seen(addr); calls == 0 || failures > 0 {
			t.Errorf("a host that nothing was wrong with: %d of %d calls failed", failures, calls)
		}
	}
	load.Stop()
	r := load.Wait()
	t.Log(r)
	calls, failed := w.seen(addrs[0]) // each of its connections failed one call at most
	if failed > 8 || calls-failed == 0 {
		t.Errorf("%d of %d calls failed at the severed host, want one for each of its connections at most", failed, calls)
	}
	cancel()
	for n := waiting[addrs[1]] + waiting[addrs[2]]; n > 0; n-- {
		<-ended
	}
}

// TestScenarioN5_blackhole: one of three hosts drops every SYN. Connecting to it is given up
// within a second, no call fails that may be sent again, and not one in a hundred has to wait:
// no longer, on a machine that is slow itself, than calls made at the same time to the two
// hosts that nothing is wrong with.
func TestScenarioN5_blackhole(t *testing.T) {
	ledger.Baseline(t)
	var receipts ledger.Receipts
	webA, rpcA := serveBoth(t, "a", &receipts)
	webB, rpcB := serveBoth(t, "b", &receipts)
	hole := faultnet.Blackhole(t)
	again, err := retry.New(retry.Config{MaxAttempts: 3})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		addrs []string
		call  func(*town) ledger.Call
	}{
		"HTTP/1.1": {[]string{hole, webA, webB}, func(w *town) ledger.Call { return post(w.client(false)) }},
		"HTTP/2":   {[]string{hole, webA, webB}, func(w *town) ledger.Call { return post(w.client(true)) }},
		"gRPC":     {[]string{hole, rpcA, rpcB}, func(w *town) ledger.Call { return check(w.stub()) }},
	} {
		t.Run(name, func(t *testing.T) {
			begin := func(prefix string, addrs ...string) *ledger.Ledger {
				w := newTown(t, balance.ConnectionConfig{}, addrs...)
				w.chain, w.resends = []enmesh.Middleware{again}, true
				return ledger.Start(t.Context(), ledger.Config{
					Rate: 100, For: ledger.Short(5 * time.Second), Prefix: prefix, Call: tt.call(w),
				})
			}
			load, beside := begin(name, tt.addrs...), begin(name+", beside", tt.addrs[1:]...)
			r, control := once(t, load, &receipts), once(t, beside, &receipts)
			if r.Max > 1500*time.Millisecond {
				t.Errorf("the slowest call took %v, want one connect timeout, 1 s", r.Max)
			}
			if r.P99 > max(50*time.Millisecond, control.P99) {
				t.Errorf("99 in 100 calls took up to %v, want 50 ms, or the %v of those beside them", r.P99, control.P99)
			}
		})
	}
}
