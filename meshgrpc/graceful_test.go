// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// readiness is a Readiness that a test moves.
type readiness struct {
	mu       sync.Mutex // guards what follows
	ready    bool
	changed  chan struct{}
	draining chan struct{}
}

func newReadiness() *readiness {
	return &readiness{ready: true, changed: make(chan struct{}), draining: make(chan struct{})}
}

func (r *readiness) Ready() (bool, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready, r.changed
}

func (r *readiness) Draining() <-chan struct{} { return r.draining }

func (r *readiness) set(ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = ready
	close(r.changed)
	r.changed = make(chan struct{})
}

// serveGracefully runs s until the test ends.
func serveGracefully(t *testing.T, s *service, r meshgrpc.Readiness) (*meshgrpc.GracefulServer, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	testpb.RegisterTestServiceServer(server, s)
	g := meshgrpc.Graceful(server, r)
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { _ = g.Close(); <-done })
	return g, l.Addr().String()
}

// plain is a ClientConn without the mesh.
func plain(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func TestHealth_tellsTheTruth(t *testing.T) {
	ready := newReadiness()
	g, addr := serveGracefully(t, &service{}, ready)
	ctx := testContext(t)
	client := healthpb.NewHealthClient(plain(t, addr))
	is := func(name string) string {
		res, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: name})
		if err != nil {
			return status.Code(err).String()
		}
		return res.GetStatus().String()
	}
	for name, want := range map[string]string{"": "SERVING", "grpc.testing.TestService": "SERVING", "nobody": "NotFound"} {
		if got := is(name); got != want {
			t.Errorf("service %q: got %s, want %s", name, got, want)
		}
	}
	watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	hears(t, watch, healthpb.HealthCheckResponse_SERVING)
	ready.set(false)
	hears(t, watch, healthpb.HealthCheckResponse_NOT_SERVING)
	if got := is(""); got != "NOT_SERVING" {
		t.Errorf("not ready: got %s", got)
	}
	ready.set(true)
	hears(t, watch, healthpb.HealthCheckResponse_SERVING)
	list, err := client.List(ctx, &healthpb.HealthListRequest{})
	if err != nil || len(list.GetStatuses()) != 3 {
		t.Errorf("list: %v, %v; want 3 services", list, err)
	}
	unknown, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	hears(t, unknown, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)

	began := time.Now()
	if err := g.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown with open watches: %v", err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ended as %v, want Unavailable", err)
	}
	t.Logf("Shutdown took %v", time.Since(began))
}

func hears(t *testing.T, w healthpb.Health_WatchClient, want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	res, err := w.Recv()
	if err != nil || res.GetStatus() != want {
		t.Fatalf("the watch heard %v, %v; want %v", res.GetStatus(), err, want)
	}
}

func TestGraceful_cutsWhatDoesNotEnd(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 1)
	g, addr := serveGracefully(t, &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		close(started)
		<-ss.Context().Done()
		ended <- ss.Context().Err()
		return nil
	}}, nil)
	stream, err := testpb.NewTestServiceClient(plain(t, addr)).FullDuplexCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("Shutdown took %v, want its deadline of 50 ms and little more", took)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v, want %v", err, context.Canceled)
	}
	if _, err := stream.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the caller got %v, want an error", err)
	}
}

// TestGraceful_losesNoCall: a server goes away while calls of every kind are made, without
// any retry policy. GOAWAY tells the client in time.
func TestGraceful_losesNoCall(t *testing.T) {
	var first atomic.Int64
	g, addr := serveGracefully(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		first.Add(1)
		return &testpb.SimpleResponse{}, nil
	}}, newReadiness())
	source := &clusters{}
	source.apply("svc", addr, serve(t, &service{}))
	_, stub := dial(t, "enmesh:///svc", enmesh.Fixed(false), source)
	ctx := testContext(t)
	eventually(t, "the first server is called", func() bool {
		_, err := stub.UnaryCall(ctx, &testpb.SimpleRequest{})
		return err == nil && first.Load() > 0
	})
	stop, failed := make(chan struct{}), make(chan error, 8)
	var made atomic.Int64
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := callOnce(ctx, stub, i%2 == 0); err != nil {
					failed <- err
					return
				}
				made.Add(1)
			}
		})
	}
	eventually(t, "calls are made", func() bool { return made.Load() > 100 })
	if err := g.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	after := made.Load() + 200
	eventually(t, "calls go on", func() bool { return made.Load() > after || len(failed) > 0 })
	close(stop)
	callers.Wait()
	close(failed)
	for err := range failed {
		t.Errorf("lost: %v", err)
	}
	before := first.Load()
	for range 50 {
		if err := callOnce(ctx, stub, true); err != nil {
			t.Error(err)
		}
	}
	if first.Load() != before {
		t.Error("the server that has gone away was called")
	}
	t.Logf("%d calls", made.Load())
}

// callOnce makes a unary call, or a duplex one.
func callOnce(ctx context.Context, stub testpb.TestServiceClient, unary bool) error {
	if unary {
		_, err := stub.UnaryCall(ctx, &testpb.SimpleRequest{})
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ss, err := stub.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for range 3 {
		if err := ss.Send(&testpb.StreamingOutputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := ss.Recv(); err != nil {
			return err
		}
	}
	return ss.CloseSend()
}
