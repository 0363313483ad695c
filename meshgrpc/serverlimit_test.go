// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// serveBounded serves health with the options of a server, and says where. Each call tells
// look of its context.
func serveBounded(t *testing.T, look func(context.Context), opts ...meshgrpc.ServerOption) string {
	t.Helper()
	s := grpc.NewServer(append(meshgrpc.NewServer(enmesh.Fixed(false), opts...).Options(),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if look != nil {
				look(ctx)
			}
			return next(ctx, req)
		}))...)
	healthpb.RegisterHealthServer(s, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func asker(t *testing.T, addr string, creds credentials.TransportCredentials, opts ...grpc.DialOption) healthpb.HealthClient {
	t.Helper()
	cc, err := grpc.NewClient(addr, append(opts, grpc.WithTransportCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return healthpb.NewHealthClient(cc)
}

func TestServer_tellsItsLimits(t *testing.T) {
	addr := serveBounded(t, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, c)
	_ = fr.WriteSettings()
	f, err := fr.ReadFrame()
	settings, ok := f.(*http2.SettingsFrame)
	if err != nil || !ok {
		t.Fatalf("got %v, %v; want SETTINGS", f, err)
	}
	for id, want := range map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 100, http2.SettingMaxHeaderListSize: 8 << 10} {
		if got, _ := settings.Value(id); got != want {
			t.Errorf("%v: got %d, want %d", id, got, want)
		}
	}
}

func TestServer_maxHeader(t *testing.T) {
	for _, tt := range []struct {
		opts []meshgrpc.ServerOption
		size int
		want codes.Code
	}{
		{nil, 7 << 10, codes.OK},
		{nil, 9 << 10, codes.Internal},
		{[]meshgrpc.ServerOption{meshgrpc.WithMaxHeader(64 << 10)}, 9 << 10, codes.OK},
	} {
		stub := asker(t, serveBounded(t, nil, tt.opts...), insecure.NewCredentials())
		if _, err := stub.Check(testContext(t), &healthpb.HealthCheckRequest{}); err != nil { // from now on the client knows the limit
			t.Fatal(err)
		}
		ctx := metadata.AppendToOutgoingContext(testContext(t), "x-a", strings.Repeat("a", tt.size))
		if _, err := stub.Check(ctx, &healthpb.HealthCheckRequest{}); status.Code(err) != tt.want {
			t.Errorf("%d bytes of metadata: got %v, want %v", tt.size, err, tt.want)
		}
	}
}

func TestServer_maxMessage(t *testing.T) {
	stub := asker(t, serveBounded(t, nil, meshgrpc.WithMaxMessage(1000)), insecure.NewCredentials())
	for size, want := range map[int]codes.Code{900: codes.NotFound, 1100: codes.ResourceExhausted} {
		_, err := stub.Check(testContext(t), &healthpb.HealthCheckRequest{Service: strings.Repeat("a", size)})
		if status.Code(err) != want {
			t.Errorf("%d bytes: got %v, want %v", size, err, want)
		}
	}
}

func TestServer_maxConnections(t *testing.T) {
	addr := serveBounded(t, nil, meshgrpc.WithMaxConnections(1))
	first, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(c *grpc.ClientConn) error {
		_, err := healthpb.NewHealthClient(c).Check(testContext(t), &healthpb.HealthCheckRequest{})
		return err
	}
	if err := ask(first); err != nil {
		t.Fatal(err)
	}
	second, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := ask(second); status.Code(err) != codes.Unavailable {
		t.Errorf("a second connection: got %v, want Unavailable", err)
	}
	_ = first.Close()
	for until := time.Now().Add(20 * time.Second); ask(second) != nil; {
		if time.Now().After(until) {
			t.Fatal("the place of the first connection was not taken again")
		}
	}
}

// TestServer_silentConnection: who does not speak HTTP/2 in time is cut off.
func TestServer_silentConnection(t *testing.T) {
	addr := serveBounded(t, nil, meshgrpc.WithHandshakeTimeout(100*time.Millisecond))
	for _, said := range []string{"", "PRI * HTTP/2.0\r\n", http2.ClientPreface, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, said)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = io.Copy(io.Discard, c)
		if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
			t.Errorf("after %q the connection is still open", said)
		}
		_ = c.Close()
	}
}

// TestServer_credentials: what the program brings is asked, under what counts.
func TestServer_credentials(t *testing.T) {
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.StartTLS()
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	cfg := &tls.Config{Certificates: web.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}
	client := credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS13})
	for name, tt := range map[string]struct {
		opt   meshgrpc.ServerOption
		creds credentials.TransportCredentials
		want  string
	}{
		"WithTLS":         {meshgrpc.WithTLS(cfg), client, "tls"},
		"WithCredentials": {meshgrpc.WithCredentials(credentials.NewTLS(cfg)), client, "tls"},
		"plaintext":       {meshgrpc.WithMaxStreams(0), insecure.NewCredentials(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			kind := "none"
			addr := serveBounded(t, func(ctx context.Context) {
				mu.Lock()
				defer mu.Unlock()
				p, _ := peer.FromContext(ctx)
				if kind = ""; p.AuthInfo != nil {
					kind = p.AuthInfo.AuthType()
				}
			}, tt.opt)
			if _, err := asker(t, addr, tt.creds).Check(testContext(t), &healthpb.HealthCheckRequest{}); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if kind != tt.want {
				t.Errorf("the caller's AuthInfo: got %q, want %q", kind, tt.want)
			}
		})
	}
}

// TestServer_options: every option can be set, and a call still goes through.
func TestServer_options(t *testing.T) {
	told := make(chan string, 1)
	addr := serveBounded(t, nil, meshgrpc.WithWindows(-1, 0), meshgrpc.WithConnectionAge(time.Hour, time.Minute),
		meshgrpc.WithConnectionIdle(time.Hour), meshgrpc.WithPingInterval(time.Second), meshgrpc.WithFloodLimit(10, 20),
		meshgrpc.WithFloodHook(func(_ net.Conn, what string) { told <- what }))
	if _, err := asker(t, addr, insecure.NewCredentials()).Check(testContext(t), &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, c)
	for range 30 {
		_ = fr.WriteSettings()
	}
	select {
	case what := <-told:
		if what != "SETTINGS frames" {
			t.Errorf("told of %q, want SETTINGS frames", what)
		}
	case <-time.After(5 * time.Second):
		t.Error("nobody was told of the flood")
	}
}
