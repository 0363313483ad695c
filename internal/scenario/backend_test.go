// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// backend is one instance: a socket that speaks HTTP/1.1, HTTP/2 and gRPC.
type backend struct {
	name string
	addr string
	port int
	conn atomic.Int64 // accepted so far
	stop func()

	fails  atomic.Bool           // it answers 503, or UNAVAILABLE
	blames atomic.Pointer[fault] // it answers with this
	slow   atomic.Int64          // nanoseconds before it answers
	asked  visits                // when it answered
	cut    atomic.Int64          // calls that nobody waited for any more when it would have answered
	ice    *ice                  // frozen, it neither reads nor writes
}

// fault is what is wrong with an answer: an HTTP status and a gRPC code.
type fault struct {
	status int
	code   codes.Code
}

// fault waits as long as the backend is slow, whoever still waits for it, and gives what
// is wrong: nil is nothing.
func (b *backend) fault(ctx context.Context) *fault {
	b.asked.note()
	<-time.After(time.Duration(b.slow.Load()))
	if ctx.Err() != nil {
		b.cut.Add(1)
	}
	if b.fails.Load() {
		return &fault{http.StatusServiceUnavailable, codes.Unavailable}
	}
	return b.blames.Load()
}

func (l *lab) serve(n int) *backend {
	l.t.Helper()
	return l.serveOn(n, loopback(l.t))
}

// again starts a backend that was stopped, at its address.
func (l *lab) again(n int) {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.backends[n].addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.backends[n] = l.serveOn(n, listener)
}

// serveOn is serve on a listener.
func (l *lab) serveOn(n int, listener net.Listener) *backend {
	l.t.Helper()
	b := &backend{name: fmt.Sprintf("s%d", n), addr: listener.Addr().String(), ice: newIce()}
	b.port = listener.Addr().(*net.TCPAddr).Port
	rpc := grpc.NewServer(grpc.UnaryInterceptor(l.receipt(b)))
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	web := l.receipts.Handler(b.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := b.fault(r.Context()); f != nil {
			w.WriteHeader(f.status)
			return
		}
		_, _ = io.WriteString(w, "done")
	}))
	server := &http.Server{
		Protocols: new(http.Protocols), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(l.logs, "", 0),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				b.conn.Add(1)
			}
		},
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
	go func() { defer close(done); _ = server.Serve(frozenListener{listener, b.ice}) }()
	b.stop = sync.OnceFunc(func() {
		b.ice.thaw()
		_ = server.Close() // connections and all, as when a process is killed
		rpc.Stop()
		<-done
	})
	l.t.Cleanup(b.stop)
	return b
}

// receipt writes receipts of gRPC calls, and answers as the backend is to.
func (l *lab) receipt(b *backend) grpc.UnaryServerInterceptor {
	receipts := receiptsOf(&l.receipts, b.name)
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		return receipts(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			if f := b.fault(ctx); f != nil {
				return nil, status.Error(f.code, "as the test asked")
			}
			return next(ctx, req)
		})
	}
}

func receiptsOf(receipts *ledger.Receipts, server string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if ids := metadata.ValueFromIncomingContext(ctx, ledger.IDKey); len(ids) == 1 {
			end := receipts.Begin(ids[0], server)
			defer end()
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs(ledger.ServerKey, server)); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// instance is how the registry knows a backend.
func (b *backend) instance() enmeshtest.ConsulInstance {
	return enmeshtest.ConsulInstance{ID: b.name, Address: "127.0.0.1", Port: b.port}
}

func (l *lab) instances() []enmeshtest.ConsulInstance {
	var all []enmeshtest.ConsulInstance
	for _, b := range l.backends {
		all = append(all, b.instance())
	}
	return all
}
