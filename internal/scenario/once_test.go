// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// resetter is a listener that can reset a connection of its own by the client's address.
type resetter struct {
	net.Listener
	mu    sync.Mutex // guards conns
	conns map[string]*net.TCPConn
}

func (r *resetter) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c.RemoteAddr().String()] = c.(*net.TCPConn)
	return c, nil
}

// reset sends RST in place of an answer.
func (r *resetter) reset(client string) {
	r.mu.Lock()
	c := r.conns[client]
	delete(r.conns, client)
	r.mu.Unlock()
	if c != nil {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// worker does what it is asked, writes a receipt, and resets the connection instead of
// answering.
type worker struct {
	grpc_health_v1.UnimplementedHealthServer
	web, rpc *resetter
}

func newWorker(t *testing.T, receipts *ledger.Receipts) *worker {
	t.Helper()
	w := &worker{web: &resetter{Listener: loopback(t), conns: map[string]*net.TCPConn{}}}
	w.rpc = &resetter{Listener: loopback(t), conns: map[string]*net.TCPConn{}}
	server := &http.Server{
		Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute,
		Handler: receipts.Handler("web", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.web.reset(r.RemoteAddr)
		})),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	calls := grpc.NewServer(grpc.UnaryInterceptor(receiptsOf(receipts, "rpc")))
	grpc_health_v1.RegisterHealthServer(calls, w)
	done := make(chan struct{}, 2)
	go func() { _ = server.Serve(w.web); done <- struct{}{} }()
	go func() { _ = calls.Serve(w.rpc); done <- struct{}{} }()
	t.Cleanup(func() { _ = server.Close(); calls.Stop(); <-done; <-done })
	return w
}

func (w *worker) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if p, ok := peer.FromContext(ctx); ok {
		w.rpc.reset(p.Addr.String())
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

// TestScenarioN13_resetAfterProcessing: the server does what it is asked, and then resets the
// connection. A call that is not idempotent is done once at most, whatever retryOn lists and
// however late its answer; one that is, as the control, is done again.
func TestScenarioN13_resetAfterProcessing(t *testing.T) {
	on, err := retry.ParseOn("5xx,reset,gateway-error,connect-failure,refused-stream,unavailable,cancelled,internal")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		to   func(*worker) string
		call func(*town) ledger.Call
	}{
		{"HTTP/1.1", func(w *worker) string { return w.web.Addr().String() }, func(w *town) ledger.Call { return post(w.client(false)) }},
		{"HTTP/2", func(w *worker) string { return w.web.Addr().String() }, func(w *town) ledger.Call { return post(w.client(true)) }},
		{"gRPC", func(w *worker) string { return w.rpc.Addr().String() }, func(w *town) ledger.Call { return check(w.stub()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ledger.Baseline(t)
			again, err := retry.New(retry.Config{MaxAttempts: 4, On: on, BaseBackoff: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			twice, err := hedge.New(hedge.Config{Delay: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			run := func(prefix string, idempotent bool) ledger.Report {
				var receipts ledger.Receipts
				w := newTown(t, balance.ConnectionConfig{}, tt.to(newWorker(t, &receipts)), tt.to(newWorker(t, &receipts)))
				says := func(next enmesh.Next) enmesh.Next {
					return func(ctx context.Context, c *enmesh.Call) error {
						c.Idempotent = idempotent
						return next(ctx, c)
					}
				}
				w.chain, w.resends = []enmesh.Middleware{says, twice, again}, true
				r := ledger.Start(t.Context(), ledger.Config{Rate: 50, For: 2 * time.Second, Prefix: prefix, Call: tt.call(w)}).Wait().With(&receipts)
				t.Logf("%s: %d sent, %d done, %d of them more than once", prefix, r.Sent, r.Attempts, r.Duplicated)
				return r
			}
			if r := run("once", false); r.Duplicated != 0 || r.Attempts == 0 || r.OK != 0 {
				t.Errorf("of %d calls %d were done, and %d more than once; want none", r.Sent, r.Attempts, r.Duplicated)
			}
			if r := run("often", true); r.Duplicated < r.Sent*9/10 {
				t.Errorf("of %d idempotent calls %d were done more than once, want nearly all", r.Sent, r.Duplicated)
			}
		})
	}
}
