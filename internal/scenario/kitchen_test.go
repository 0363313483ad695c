// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// kitchen is a server of one service with so many slots, which a call keeps for a time and
// uses no CPU. A call waits for a slot in the order of its coming, and whoever has given
// up meanwhile is served all the same, as by most programs.
type kitchen struct {
	addr    string
	slots   chan struct{}
	service time.Duration
	closed  chan struct{} // whoever waits for a slot then goes

	inside atomic.Int64 // calls that the handler has
	served atomic.Int64
	begun  func(ctx context.Context) error // asked first, if not nil
}

// capacity is how many calls a second a kitchen can serve.
const capacity = kitchenSlots * int(time.Second/kitchenService)

// newKitchen serves behind a chain, over HTTP and gRPC, on one socket.
func newKitchen(t *testing.T, chain ...enmesh.Middleware) *kitchen {
	t.Helper()
	k := &kitchen{slots: make(chan struct{}, kitchenSlots), service: kitchenService, closed: make(chan struct{})}
	k.open(t, chain...)
	return k
}

func (k *kitchen) open(t *testing.T, chain ...enmesh.Middleware) {
	t.Helper()
	router := enmesh.Fixed(false, chain...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.addr = listener.Addr().String()
	rpc := grpc.NewServer(append(meshgrpc.NewServer(router).Options(), grpc.ChainUnaryInterceptor(k.unary))...)
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	web := meshhttp.NewHandler(http.HandlerFunc(k.web), router)
	server := &http.Server{
		Protocols: new(http.Protocols), ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
				rpc.ServeHTTP(w, r)
				return
			}
			web.ServeHTTP(w, r)
		}),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		rpc.Stop()
		<-done
	})
}

func (k *kitchen) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := k.cook(ctx); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (k *kitchen) web(w http.ResponseWriter, r *http.Request) {
	if err := k.cook(r.Context()); err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, "done")
}

func (k *kitchen) cook(ctx context.Context) error {
	k.inside.Add(1)
	defer k.inside.Add(-1)
	if k.begun != nil {
		return k.begun(ctx)
	}
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-k.closed:
		return errClosed
	}
	<-time.After(k.service)
	k.served.Add(1)
	return nil
}

var errClosed = errors.New("the kitchen is closed")

// guests call a kitchen over one protocol.
type guests struct {
	name   string
	call   ledger.Call
	onward ledger.Call // the same, as part of what the context is of
}

// guests call through a chain, with level as how much their calls matter.
func (k *kitchen) guests(t *testing.T, level enmesh.Criticality, chain ...enmesh.Middleware) []guests {
	t.Helper()
	router := enmesh.Fixed(true, append([]enmesh.Middleware{shed.Send()}, chain...)...)
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{shop: {{Addrs: []string{k.addr}}}}, nil)
	transport := meshhttp.NewTransport(&http.Transport{MaxIdleConnsPerHost: 1000}, router, source)
	t.Cleanup(func() { _ = transport.Close() })
	cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(router, source).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	web := ledger.HTTP(&http.Client{Transport: transport}, http.MethodGet, "http://"+shop+"/")
	stub := grpc_health_v1.NewHealthClient(cc)
	rpc := func(ctx context.Context, _ string) (string, error) {
		_, err := stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return "", err
	}
	matter := func(call ledger.Call) ledger.Call {
		return func(ctx context.Context, id string) (string, error) {
			return call(enmesh.WithCriticality(ctx, level), id)
		}
	}
	return []guests{{"http", matter(web), web}, {"grpc", matter(rpc), rpc}}
}

// both calls over each protocol in turn.
func both(g []guests) ledger.Call { return alternate(g[0].call, g[1].call) }

// starved reports whether calls of a load began late: then it was the machine that could
// do no more, and the load says nothing of the kitchen.
func starved(t *testing.T, loads ...*ledger.Ledger) bool {
	t.Helper()
	var late []time.Duration
	for _, l := range loads {
		for _, r := range l.Records() {
			late = append(late, r.Late)
		}
	}
	slices.Sort(late)
	at := late[len(late)*9/10]
	if at > kitchenService/5 {
		t.Logf("a tenth of the calls began %v late or more", at)
		return true
	}
	return false
}

// empties closes the kitchen, and waits until it has no call any more.
func (k *kitchen) empties(t *testing.T) {
	t.Helper()
	close(k.closed)
	end := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for k.inside.Load() > 0 {
		if time.Now().After(end) {
			t.Fatalf("%d calls are still in the handler", k.inside.Load())
		}
		<-tick.C
	}
}

// times keeps how long calls took that were answered with success.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (x *times) of(call ledger.Call) ledger.Call {
	return func(ctx context.Context, id string) (string, error) {
		begin := time.Now()
		server, err := call(ctx, id)
		if err == nil {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.all = append(x.all, time.Since(begin))
		}
		return server, err
	}
}
