// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// TestScenarioS6_openAndClose: a thousand meshes, each with an HTTP and a gRPC client
// that make a call, leave no goroutine and no memory behind.
func TestScenarioS6_openAndClose(t *testing.T) {
	times := 1000
	if full() {
		times = 10_000
	}
	settles(t)
	registry := discovery.NewMemory()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(web.Close)
	registry.Set("web", discovery.Endpoint{Addrs: []string{web.Listener.Addr().String()}})
	registry.Set("rpc", discovery.Endpoint{Addrs: []string{healthServer(t)}})

	for range 100 { // what is made once is made here
		openAndClose(t, registry)
	}
	heap, routines := inUse(), runtime.NumGoroutine()
	for range times {
		openAndClose(t, registry)
	}
	until(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= routines })
	grown := float64(inUse())/float64(heap) - 1
	t.Logf("%d times: heap %d KiB, grown by %.1f%%; goroutines %d, were %d", times, heap>>10, 100*grown, runtime.NumGoroutine(), routines)
	if grown > 0.05 {
		t.Errorf("the heap has grown by %.1f%%, want at most 5%%", 100*grown)
	}
}

// openAndClose is the life of a client.
func openAndClose(t *testing.T, registry *discovery.Memory) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	m, err := mesh.Open(ctx, mesh.WithResolver(registry))
	if err != nil {
		t.Fatal(err)
	}
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	_, err = get(ctx, &http.Client{Transport: transport}, "http://web/")
	cc, grpcErr := grpc.NewClient("enmesh:///rpc", meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
	if grpcErr != nil {
		t.Fatal(grpcErr)
	}
	_, grpcErr = grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err := errors.Join(err, grpcErr, cc.Close(), transport.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
}

func healthServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// inUse is the heap that is reachable, after the timers of closed connections have
// fired.
func inUse() uint64 {
	pause(context.Background(), 500*time.Millisecond)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
