// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// fortress is a server with the limits that it has by default, and a way to reach it.
type fortress struct {
	name   string
	addr   string
	rpc    bool
	secure *tls.Config // of a client; nil: plaintext
	ran    atomic.Int64
	left   atomic.Int64              // of the caller's time, over gRPC, at the latest call
	look   func(*http.Request)       // at each request of HTTP; nil: nobody
	answer func(http.ResponseWriter) // nil: a word

	mu   sync.Mutex
	told []string // what the flood hook heard
}

func (g *fortress) hear(_ net.Conn, what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = append(g.told, what)
}

func (g *fortress) heard() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.told, ", ")
}

// certificates are a server's and a client's configuration of TLS.
func certificates() (server, client *tls.Config) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS13},
		&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}
}

// ServeHTTP answers after it has read the body.
func (g *fortress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.ran.Add(1)
	if g.look != nil {
		g.look(r)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	if g.answer != nil {
		g.answer(w)
		return
	}
	_, _ = io.WriteString(w, "done")
}

// webTarget is an HTTP server.
func webTarget(t *testing.T, secure bool, opts ...meshhttp.LimitOption) *fortress {
	t.Helper()
	g := &fortress{name: "HTTP"}
	var cfg *tls.Config
	if secure {
		g.name += " over TLS"
		cfg, g.secure = certificates()
	}
	g.open(t, cfg, func(cfg *tls.Config) (func(net.Listener) error, func()) { return g.web(cfg, opts...) })
	return g
}

// web is g's server of HTTP, over TLS with a configuration of that.
func (g *fortress) web(secure *tls.Config, opts ...meshhttp.LimitOption) (serve func(net.Listener) error, stop func()) {
	opts = append(opts, meshhttp.FloodHook(g.hear), meshhttp.FloodLimit(floodRate, floodBurst))
	server := meshhttp.NewServer(meshhttp.NewHandler(g, enmesh.Fixed(false)), opts...)
	server.ErrorLog, server.TLSConfig = log.New(io.Discard, "", 0), secure
	graceful := meshhttp.Graceful(server)
	return graceful.Serve, func() { _ = graceful.Close() }
}

// open serves until the test ends.
func (g *fortress) open(t *testing.T, secure *tls.Config, of func(*tls.Config) (serve func(net.Listener) error, stop func())) {
	t.Helper()
	listener, done := loopback(t), make(chan struct{})
	serve, stop := of(secure)
	go func() { defer close(done); _ = serve(listener) }()
	t.Cleanup(func() { stop(); <-done })
	g.addr = listener.Addr().String()
}

// rpcTarget is a gRPC server.
func rpcTarget(t *testing.T, secure bool, opts ...meshgrpc.ServerOption) *fortress {
	t.Helper()
	g := &fortress{name: "gRPC", rpc: true}
	var cfg *tls.Config
	if secure {
		g.name += " over TLS"
		cfg, g.secure = certificates()
	}
	g.open(t, cfg, func(cfg *tls.Config) (func(net.Listener) error, func()) { return g.calls(cfg, opts...) })
	return g
}

// calls is g's server of gRPC, over TLS with a configuration of that.
func (g *fortress) calls(secure *tls.Config, opts ...meshgrpc.ServerOption) (serve func(net.Listener) error, stop func()) {
	opts = append(opts, meshgrpc.WithFloodHook(g.hear), meshgrpc.WithFloodLimit(floodRate, floodBurst))
	if secure != nil {
		opts = append(opts, meshgrpc.WithTLS(secure))
	}
	server := grpc.NewServer(append(meshgrpc.NewServer(enmesh.Fixed(false), opts...).Options(),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			g.ran.Add(1)
			if at, ok := ctx.Deadline(); ok {
				g.left.Store(int64(time.Until(at)))
			}
			return next(ctx, req)
		}))...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	return server.Serve, server.Stop
}

// allTargets are servers of HTTP/2, in plaintext and over TLS.
func allTargets(t *testing.T) []*fortress {
	t.Helper()
	return []*fortress{webTarget(t, false), webTarget(t, true), rpcTarget(t, false), rpcTarget(t, true)}
}

// dial connects.
func (g *fortress) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := g.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (g *fortress) connect(ctx context.Context) (net.Conn, error) {
	if g.secure == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", g.addr)
	}
	return (&tls.Dialer{Config: g.secure}).DialContext(ctx, "tcp", g.addr)
}

// honest calls the server as clients do.
func (g *fortress) honest(t *testing.T) ledger.Call {
	t.Helper()
	if g.rpc {
		creds := insecure.NewCredentials()
		if g.secure != nil {
			creds = credentials.NewTLS(g.secure.Clone())
		}
		cc, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		stub := grpc_health_v1.NewHealthClient(cc)
		return func(ctx context.Context, _ string) (string, error) {
			_, err := stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return g.name, err
		}
	}
	scheme, base := "http://", &http.Transport{Protocols: new(http.Protocols), MaxIdleConnsPerHost: 100, TLSClientConfig: g.secure.Clone()}
	base.Protocols.SetUnencryptedHTTP2(g.secure == nil)
	base.Protocols.SetHTTP2(g.secure != nil)
	if g.secure != nil {
		scheme = "https://"
	}
	t.Cleanup(base.CloseIdleConnections)
	return ledger.HTTP(&http.Client{Transport: base}, http.MethodGet, scheme+g.addr+"/")
}

// weigh runs do and says by how many MiB the memory in use grew at most, client and server
// together: what is live after a collection, looked at ten times a second.
func weigh(t *testing.T, do func()) float64 {
	t.Helper()
	return weighEvery(t, 100*time.Millisecond, do)
}

// weighEvery looks less often: a collection takes the processors from whoever calls.
func weighEvery(t *testing.T, every time.Duration, do func()) float64 {
	t.Helper()
	base, most := inUse(), uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, inUse())
			case <-stop:
				most = max(most, inUse())
				return
			}
		}
	}()
	do()
	close(stop)
	<-done
	if most < base {
		return 0
	}
	return float64(most-base) / (1 << 20)
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// hungUp reports whether an error says that the far side has ended the connection, rather
// than that the time is over.
func hungUp(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}
