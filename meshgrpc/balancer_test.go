// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// named answers with its name.
func named(name string) *service {
	return &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: body(name)}, nil
	}}
}

// refusing is an address where nobody listens.
func refusing(t testing.TB) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().String()
}

func TestBalancer_sendsByTheCallsDestination(t *testing.T) {
	src := &clusters{}
	for _, v := range []string{"v1", "v2"} {
		src.Cluster(enmesh.Destination{Service: "reviews", Subset: v}, enmesh.GRPC).Apply(endpoints(serve(t, named(v))))
	}
	var n atomic.Int64
	split := enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route {
		subset := "v1"
		if n.Add(1)%10 == 0 {
			subset = "v2"
		}
		return &enmesh.Route{Name: subset, Destination: enmesh.Destination{Service: "reviews", Subset: subset}, Next: enmesh.Send}
	})
	_, client := dial(t, "enmesh:///reviews", split, src)
	var got [2]atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 10 {
				r, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{})
				if err != nil {
					t.Error(err)
					return
				}
				got[strings.Index("12", string(r.GetPayload().GetBody()[1:]))].Add(1)
			}
		})
	}
	wg.Wait()
	if got[0].Load() != 450 || got[1].Load() != 50 {
		t.Errorf("split = %d : %d, want 450 : 50", got[0].Load(), got[1].Load())
	}
}

// A cluster that nobody can connect to fails its own calls and no others.
func TestBalancer_aDeadClusterHurtsNobodyElse(t *testing.T) {
	src := &clusters{}
	src.apply("live", serve(t, &service{}))
	src.apply("dead", refusing(t))
	var dead atomic.Bool
	r := enmesh.RouterFunc(func(c *enmesh.Call) *enmesh.Route {
		if dead.Load() {
			return &enmesh.Route{Destination: enmesh.Destination{Service: "dead"}, Next: enmesh.Send}
		}
		return &enmesh.Route{Destination: enmesh.Destination{Service: "live"}, Next: enmesh.Send}
	})
	_, client := dial(t, "enmesh:///reviews", r, src)
	ctx := testContext(t) // for all: calls that wait for the dead one's backoff would be too many for it
	for i := range 50 {
		dead.Store(i%2 == 1)
		_, err := client.EmptyCall(ctx, &testpb.Empty{})
		if i%2 == 0 && err != nil {
			t.Fatalf("the live share got %v", err)
		}
		if e := enmesh.ErrorOf(err); i%2 == 1 && (e == nil || e.Flag != enmesh.FlagConnectFailure || !e.Unsent || e.Outcome != enmesh.Failure || status.Code(err) != codes.Unavailable) {
			t.Fatalf("the dead share got %v", err)
		}
	}
}

func TestBalancer_emptyAndUnknown(t *testing.T) {
	src := &clusters{}
	unknown := src.Cluster(enmesh.Destination{Service: "unknown"}, enmesh.GRPC)
	unknown.Refuse(balance.ErrNoCluster)
	src.apply("empty")
	route, call, attempt := witness()
	for target, flag := range map[string]enmesh.Flag{"empty": enmesh.FlagNoHealthy, "unknown": enmesh.FlagNoCluster} {
		_, client := dial(t, "enmesh:///"+target, route(false), src)
		_, err := client.EmptyCall(testContext(t), &testpb.Empty{})
		if e := enmesh.ErrorOf(err); e == nil || e.Flag != flag || !e.Unsent || status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v, want %s at once", target, err, flag)
		}
		// Who waits for ready waits.
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err = client.EmptyCall(ctx, &testpb.Empty{}, grpc.WaitForReady(true))
		cancel()
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%s, waiting: %v, want DeadlineExceeded", target, err)
		}
	}
	// Before the first set everybody waits.
	_, client := dial(t, "enmesh:///later", route(false), src)
	time.AfterFunc(50*time.Millisecond, func() { src.apply("later", serve(t, &service{})) })
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Errorf("before the first set: %v", err)
	}
	settled(t, call, attempt)
}

// Endpoints come and go under traffic; no call fails.
func TestBalancer_setsChangeUnderTraffic(t *testing.T) {
	var addrs []string
	for range 4 {
		addrs = append(addrs, serve(t, &service{}))
	}
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", addrs...)
	route, call, attempt := witness()
	_, client := dial(t, "enmesh:///ratings", route(false), src)
	ctx := testContext(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 50 {
		src.apply("ratings", addrs[i%4], addrs[(i+1)%4])
		pause(10 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	settled(t, call, attempt, gate)
}

// When all that is connected is draining, calls fail at once, wait for what is being
// connected to, and go through again when draining ends.
func TestBalancer_draining(t *testing.T) {
	src := &clusters{}
	c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	eps := endpoints(serve(t, &service{}))
	apply := func(draining bool, more ...string) {
		eps[0].Draining = draining
		c.Apply(append(eps[:1:1], endpoints(more...)...))
	}
	apply(false)
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src)
	call := func(opts ...grpc.CallOption) *enmesh.Error {
		_, err := client.EmptyCall(testContext(t), &testpb.Empty{}, opts...)
		if err != nil && enmesh.ErrorOf(err) == nil {
			t.Fatalf("error = %v, want one of the mesh's", err)
		}
		return enmesh.ErrorOf(err)
	}
	for range 3 {
		if e := call(); e != nil {
			t.Fatal(e)
		}
		apply(true)
		if e := call(); e == nil || e.Flag != enmesh.FlagNoHealthy {
			t.Fatalf("draining: %v, want UH", e)
		}
		apply(true, refusing(t)) // which cannot be connected to
		eventually(t, "the new endpoint was tried", func() bool { e := call(); return e != nil && e.Flag == enmesh.FlagNoHealthy })
		apply(true, serve(t, &service{}))
		if e := call(); e != nil {
			t.Fatalf("with another endpoint: %v", e)
		}
		apply(true)
		time.AfterFunc(20*time.Millisecond, func() { apply(false) })
		if e := call(grpc.WaitForReady(true)); e != nil {
			t.Fatal(e)
		}
	}
}

// Killing one of two instances loses no call that may be sent again.
func TestBalancer_killedInstance(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	doomed := serveOn(t, lis, &service{})
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", lis.Addr().String(), serve(t, &service{}))
	route, call, attempt := witness()
	_, client := dial(t, "enmesh:///ratings", route(true, retry(3)), src)
	ctx := testContext(t)
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
					t.Error(err)
				}
				if done.Add(1) == 400 {
					go doomed.Stop()
				}
			}
		})
	}
	wg.Wait()
	settled(t, call, attempt, gate)
}

// Idle mode takes resolver and balancer away; the next call brings them back, and the
// endpoints' statistics are still there.
func TestBalancer_idleMode(t *testing.T) {
	src := &clusters{}
	src.apply("ratings", serve(t, &service{}))
	c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	cc, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src, grpc.WithIdleTimeout(50*time.Millisecond))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // sets change all the while, also as the balancer goes and comes
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				eps := endpoints(c.Set().Endpoints[0].Addr())
				eps[0].Labels = map[string]string{"n": fmt.Sprint(i)}
				c.Apply(eps)
			}
		}
	})
	for range 3 {
		if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the connection is idle", func() bool { return cc.GetState() == connectivity.Idle })
		if c.Set().Endpoints[0].Latency() == 0 {
			t.Error("the endpoint's statistics are gone")
		}
	}
	close(stop)
	wg.Wait()
}

// Of an endpoint with several addresses, one that works is enough.
func TestBalancer_severalAddresses(t *testing.T) {
	src := &clusters{}
	c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	c.Apply([]discovery.Endpoint{{Addrs: []string{refusing(t), serve(t, &service{})}}})
	cc, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src, grpc.WithIdleTimeout(100*time.Millisecond))
	for range 2 {
		for range 10 {
			if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the connection is idle", func() bool { return cc.GetState() == connectivity.Idle })
	}
	c.Apply([]discovery.Endpoint{{Addrs: []string{refusing(t), refusing(t)}}})
	_, err := client.EmptyCall(testContext(t), &testpb.Empty{})
	if e := enmesh.ErrorOf(err); e == nil || e.Flag != enmesh.FlagConnectFailure {
		t.Errorf("error = %v, want a connect failure", err)
	}
}

// An RPC that did not come through our interceptors goes to the target's own service,
// though the context carries another call.
func TestBalancer_foreignCall(t *testing.T) {
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("own", serve(t, named("own")))
	src.apply("other", serve(t, named("other")))
	// A policy of a call to "other" asks "own" without the interceptors, in the call's context.
	skip := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	opts := meshgrpc.NewClient(enmesh.Fixed(false), src).DialOptions()
	cc, err := grpc.NewClient("enmesh:///own", append(opts[:len(opts)-2:len(opts)-2], grpc.WithUnaryInterceptor(skip))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	own := testpb.NewTestServiceClient(cc)
	var asked string
	ask := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			for _, f := range []func() error{
				func() error {
					r, err := own.UnaryCall(ctx, &testpb.SimpleRequest{})
					asked = string(r.GetPayload().GetBody())
					return err
				},
				func() error { _, err := own.EmptyCall(context.Background(), &testpb.Empty{}); return err },
			} {
				if err := f(); err != nil {
					return err
				}
			}
			return next(ctx, c)
		}
	}
	_, client := dial(t, "enmesh:///other", enmesh.Fixed(false, ask), src)
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if asked != "own" {
		t.Errorf("the foreign call went to %q, want own", asked)
	}
	settled(t, gate)
	if gate.Admits() != 3 {
		t.Errorf("the endpoints' gates admitted %d calls, want 3", gate.Admits())
	}
}

// The interceptors work on targets that the mesh does not resolve.
func TestClient_foreignTarget(t *testing.T) {
	addr := serve(t, &service{})
	route, call, attempt := witness()
	var service string
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error { service = c.Service; return next(ctx, c) }
	}
	cl := meshgrpc.NewClient(route(true, retry(2), look), nil)
	cc, err := grpc.NewClient("dns:///"+strings.Replace(addr, "127.0.0.1", "localhost", 1),
		grpc.WithUnaryInterceptor(cl.Unary()), grpc.WithStreamInterceptor(cl.Stream()), grpc.WithTransportCredentials(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	client := testpb.NewTestServiceClient(cc)
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if service != "localhost" {
		t.Errorf("service = %q, want localhost", service)
	}
	for kind, open := range kinds {
		ctx, cancel := context.WithCancel(testContext(t))
		read, err := open(ctx, client)
		if err == nil && kind != "bidi" {
			err = read()
		}
		if err != nil {
			t.Error(kind, err)
		}
		cancel()
	}
	settled(t, call, attempt)
	if call.Admits() != 4 {
		t.Errorf("%d calls, want 4", call.Admits())
	}
}

func TestDial_badTargets(t *testing.T) {
	src := &clusters{}
	opts := meshgrpc.NewClient(enmesh.Fixed(false), src).DialOptions()
	cc, err := grpc.NewClient("enmesh:///", opts...)
	if err == nil {
		_, err = testpb.NewTestServiceClient(cc).EmptyCall(testContext(t), &testpb.Empty{})
		_ = cc.Close()
	}
	if err == nil {
		t.Error("a target without a service was accepted")
	}
	cc, err = grpc.NewClient("passthrough:///127.0.0.1:1", opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	if _, err = testpb.NewTestServiceClient(cc).EmptyCall(testContext(t), &testpb.Empty{}); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "DialOptions") {
		t.Errorf("our balancer without our resolver: %v", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("the call waited")
	}
}
