// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
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
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// yardDomain is the trust domain of a yard, and who serves and calls in it.
const yardDomain = "yard.test"

var (
	yardServer = security.MustParseID("spiffe://" + yardDomain + "/ns/default/sa/server")
	yardClient = security.MustParseID("spiffe://" + yardDomain + "/ns/default/sa/client")
)

// yard is a server over HTTP and over gRPC, each behind a listener that demands mutual TLS,
// and a client of both through the mesh.
type yard struct {
	web, rpc   *mtls.Listener
	http, grpc ledger.Call
	client     *http.Client
	stub       grpc_health_v1.HealthClient
	caller     security.ID   // who calls
	handled    atomic.Int64  // calls that came to a handler
	takes      time.Duration // how long one is there

	open, peak atomic.Int64 // connections over HTTP
}

func newYard(t *testing.T, server, client security.Source, takes time.Duration) *yard {
	t.Helper()
	y := &yard{takes: takes, caller: idOf(t, client)}
	y.serve(t, mtls.ListenerConfig{Source: server})
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{
		"web": {{Addrs: []string{y.web.Addr().String()}}}, "rpc": {{Addrs: []string{y.rpc.Addr().String()}}},
	}, nil)
	secured := yardSource{source, mtls.NewClients(client), idOf(t, server)}
	router := enmesh.Fixed(true)
	transport := meshhttp.NewTransport(nil, router, secured)
	t.Cleanup(func() { _ = transport.Close() })
	cc, err := grpc.NewClient("enmesh:///rpc", meshgrpc.NewClient(router, secured).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	y.client, y.stub = &http.Client{Transport: transport}, grpc_health_v1.NewHealthClient(cc)
	y.http = ledger.HTTP(y.client, http.MethodGet, "http://web/")
	y.grpc = func(ctx context.Context, _ string) (string, error) {
		_, err := y.stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return "", err
	}
	return y
}

// yardSource says that every endpoint is dialled with mutual TLS.
type yardSource struct {
	balance.Source
	clients *mtls.Clients
	server  security.ID
}

func (s yardSource) ClientTLS(*balance.Endpoint) *tls.Config { return s.clients.For(s.server) }

func idOf(t *testing.T, s security.Source) security.ID {
	t.Helper()
	own, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return own.ID()
}

func (y *yard) serve(t *testing.T, cfg mtls.ListenerConfig) {
	t.Helper()
	guard := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			y.handled.Add(1)
			if c.Source.Identity != y.caller.String() {
				t.Errorf("a call of %q was let in", c.Source.Identity)
			}
			<-time.After(y.takes)
			return next(ctx, c)
		}
	}
	router := enmesh.Fixed(false, guard)
	var err error
	if y.web, err = mtls.NewListener(loopback(t), cfg); err != nil {
		t.Fatal(err)
	}
	if y.rpc, err = mtls.NewListener(loopback(t), cfg); err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute, ConnState: y.count}
	web.Handler = meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "done")
	}), router)
	rpc := grpc.NewServer(meshgrpc.NewServer(router, meshgrpc.WithListener()).Options()...)
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	done := make(chan struct{}, 2)
	go func() { _ = web.Serve(y.web); done <- struct{}{} }()
	go func() { _ = rpc.Serve(y.rpc); done <- struct{}{} }()
	t.Cleanup(func() { _ = web.Close(); rpc.Stop(); <-done; <-done })
}

// load begins calls over both protocols.
func (y *yard) load(t *testing.T, rate int, d time.Duration) *ledger.Ledger {
	t.Helper()
	return ledger.Start(t.Context(), ledger.Config{Call: alternate(y.http, y.grpc), Rate: rate, For: d})
}

// connections is how many handshakes have succeeded at the server.
func (y *yard) connections() int {
	return int(y.web.Stats().Secured + y.rpc.Stats().Secured)
}

// count keeps how many connections over HTTP are open, and how many were at most.
func (y *yard) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		n := y.open.Add(1)
		for most := y.peak.Load(); n > most; most = y.peak.Load() {
			if y.peak.CompareAndSwap(most, n) {
				break
			}
		}
	case http.StateClosed, http.StateHijacked:
		y.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// noStorm wants connections that are each used for a time at least: over HTTP as many as
// were open at once, as often as that time is in the length of the load, and over gRPC one.
func (y *yard) noStorm(t *testing.T, length, use time.Duration) {
	t.Helper()
	lives := 1 + uint64(length/use)
	web, rpc, peak := y.web.Stats(), y.rpc.Stats(), y.peak.Load()
	t.Logf("handshakes of HTTP %+v, %d connections at once, of gRPC %+v", web, peak, rpc)
	if web.Secured > uint64(peak)*lives || rpc.Secured > lives {
		t.Errorf("%d connections over HTTP, %d at once, and %d over gRPC; want each to be made %d times at most", web.Secured, peak, rpc.Secured, lives)
	}
	if web.Refused+rpc.Refused+web.Closed+rpc.Closed != 0 {
		t.Errorf("connections were refused or closed: %+v, %+v", web, rpc)
	}
}

// begin begins a call over each protocol that lasts until it is broken, and tells when.
func (y *yard) begin(t *testing.T) (ends map[string]<-chan time.Time) {
	t.Helper()
	resp, err := y.client.Get("http://web/wait")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := y.stub.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	web, rpc := make(chan time.Time, 1), make(chan time.Time, 1)
	go func() {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		web <- time.Now()
	}()
	go func() {
		_, _ = stream.Recv()
		rpc <- time.Now()
	}()
	return map[string]<-chan time.Time{"HTTP": web, "gRPC": rpc}
}

// closed wants what is open to end by a time, and not before another.
func closed(t *testing.T, ends map[string]<-chan time.Time, from, by time.Time) {
	t.Helper()
	for name, end := range ends {
		select {
		case at := <-end:
			t.Logf("%s: the open connection was closed %v after %v", name, at.Sub(from), from.Format("15:04:05.000"))
			if at.Before(from) {
				t.Errorf("%s: the open connection was closed %v too early", name, from.Sub(at))
			}
		case <-time.After(time.Until(by)):
			t.Errorf("%s: the open connection is still open", name)
		}
	}
}

// refused wants every new call to fail, and none to come to a handler.
func (y *yard) refused(t *testing.T) {
	t.Helper()
	before := y.handled.Load()
	for name, call := range map[string]ledger.Call{"HTTP": y.http, "gRPC": y.grpc} {
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := call(ctx, "x"); err == nil {
				t.Errorf("%s: a call was answered", name)
			}
			cancel()
		}
	}
	if n := y.handled.Load() - before; n != 0 {
		t.Errorf("%d calls came to a handler", n)
	}
}

// turned is a Source whose identity a scenario replaces.
type turned struct {
	atomic.Pointer[security.Identity]
}

func (s *turned) Identity() (*security.Identity, error) { return s.Load(), nil }

func yardAuthority(t *testing.T, cfg ca.Config) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment(yardDomain, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// signed is an identity by one authority that believes all of trusted.
func signed(t *testing.T, by *ca.Development, id security.ID, trusted ...*ca.Development) *security.Identity {
	t.Helper()
	own, err := by.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	var roots []*x509.Certificate
	for _, d := range trusted {
		roots = append(roots, d.Roots()...)
	}
	own, err = security.NewIdentity(*own.Certificate(), map[string][]*x509.Certificate{yardDomain: roots})
	if err != nil {
		t.Fatal(err)
	}
	return own
}
