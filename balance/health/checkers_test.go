// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/discovery"
)

// endpoint is one with the given addresses.
func endpoint(addrs ...string) *balance.Endpoint {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply([]discovery.Endpoint{{Addrs: addrs}})
	return c.Set().Endpoints[0]
}

// says expects a check's error to have a text; "" expects none.
func says(t *testing.T, name string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: check = %v, want %q", name, err, want)
	}
}

func TestHTTP_whatIsWell(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/ok?full=1":
			if r.Host != "reviews" || r.Method != http.MethodPost || r.Header.Get("X-Probe") != "1" || r.Header.Get("User-Agent") != "enmesh-health" {
				w.WriteHeader(http.StatusBadRequest)
			}
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/leaving":
			w.Header().Set("X-Envoy-Immediate-Health-Check-Fail", "true")
		case "/huge":
			_, _ = w.Write(make([]byte, 1<<20))
		case "/slow":
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, tc := range []struct {
		name string
		cfg  health.HTTPConfig
		want string
	}{
		{"defaults", health.HTTPConfig{}, ""},
		{"everything set", health.HTTPConfig{Path: "/ok?full=1", Host: "reviews", Method: http.MethodPost}, ""},
		{"the wrong host", health.HTTPConfig{Path: "/ok?full=1", Method: http.MethodPost}, "status 400, want 200-299"},
		{"a redirect", health.HTTPConfig{Path: "/moved"}, "status 302"},
		{"a redirect that is expected", health.HTTPConfig{Path: "/moved", Expect: "200, 300-399"}, ""},
		{"503", health.HTTPConfig{Path: "/busy"}, "status 503"},
		{"leaving", health.HTTPConfig{Path: "/leaving"}, health.ErrNow.Error()},
		{"a huge answer", health.HTTPConfig{Path: "/huge"}, ""},
		{"no answer", health.HTTPConfig{Path: "/slow"}, "deadline exceeded"},
		{"a closed port", health.HTTPConfig{Port: 1}, "refused"},
	} {
		h, err := health.NewHTTP(tc.cfg, http.Header{"X-Probe": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		says(t, tc.name, h.Check(ctx, endpoint(s.Listener.Addr().String())), tc.want)
		cancel()
	}
	h, err := health.NewHTTP(health.HTTPConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	says(t, "the second address", h.Check(ctx, endpoint("127.0.0.1:1", "127.0.0.1:"+port)), "")
}

func TestNewHTTP_refuses(t *testing.T) {
	for _, tc := range []struct {
		cfg  health.HTTPConfig
		want string
	}{
		{health.HTTPConfig{Expect: "200-"}, "expected status"},
		{health.HTTPConfig{Expect: "300-200"}, "a range goes up"},
		{health.HTTPConfig{Expect: "99"}, "from 100 to 599"},
		{health.HTTPConfig{Path: "healthz"}, "path"},
		{health.HTTPConfig{Path: "http://elsewhere/"}, "slash"},
		{health.HTTPConfig{Method: "GET IT"}, "method"},
		{health.HTTPConfig{Host: "a b"}, "host"},
	} {
		_, err := health.NewHTTP(tc.cfg, nil)
		says(t, fmt.Sprintf("%+v", tc.cfg), err, tc.want)
	}
}

// secure is a balance.TLSSource with one configuration.
type secure struct{ cfg *tls.Config }

func (s secure) ClientTLS(*balance.Endpoint) *tls.Config { return s.cfg }

func TestCheckers_overTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		proto := make(chan int, 1)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proto <- r.ProtoMajor }))
		s.EnableHTTP2 = h2
		s.Config.ErrorLog = nil
		s.StartTLS()
		trusted := health.Secure(secure{s.Client().Transport.(*http.Transport).TLSClientConfig})
		e := endpoint(s.Listener.Addr().String())
		h, err := health.NewHTTP(health.HTTPConfig{}, nil, trusted)
		if err != nil {
			t.Fatal(err)
		}
		says(t, "HTTP", h.Check(t.Context(), e), "")
		if got := <-proto; h2 && got != 2 {
			t.Errorf("a server with HTTP/2 was asked over HTTP/%d", got)
		}
		says(t, "TCP", health.NewTCP(health.TCPConfig{}, trusted).Check(t.Context(), e), "")
		s.Close()
	}
	plain := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "no TLS here\n") })
	wary := health.Secure(secure{&tls.Config{MinVersion: tls.VersionTLS12}})
	says(t, "no TLS there", health.NewTCP(health.TCPConfig{}, wary).Check(t.Context(), endpoint(plain)), "tls")
	says(t, "plaintext is wanted", health.NewTCP(health.TCPConfig{}, health.Secure(secure{})).Check(t.Context(), endpoint(plain)), "")
}

// listen serves connections until the test ends, and returns the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestTCP_whatIsWell(t *testing.T) {
	addr := listen(t, func(c net.Conn) {
		buf := make([]byte, 64)
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, _ := c.Read(buf)
		switch string(buf[:n]) {
		case "PING":
			_, _ = io.WriteString(c, "+PO")
			_, _ = io.WriteString(c, "NG")
		case "FLOOD":
			_, _ = c.Write(make([]byte, 100_000))
		case "WAIT":
			_, _ = c.Read(buf)
		}
	})
	for _, tc := range []struct {
		name string
		cfg  health.TCPConfig
		want string
	}{
		{"connect", health.TCPConfig{}, ""},
		{"ask and answer", health.TCPConfig{Send: "PING", Expect: "PONG"}, ""},
		{"the wrong answer", health.TCPConfig{Send: "PING", Expect: "PANG"}, `without "PANG"`},
		{"too much of an answer", health.TCPConfig{Send: "FLOOD", Expect: "x"}, `no "x" in the first`},
		{"no answer", health.TCPConfig{Send: "WAIT", Expect: "x"}, "timeout"},
		{"a closed port", health.TCPConfig{Port: 1}, "refused"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		says(t, tc.name, health.NewTCP(tc.cfg).Check(ctx, endpoint(addr)), tc.want)
		cancel()
	}
	failing := health.Dial(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way") })
	says(t, "a dialer of one's own", health.NewTCP(health.TCPConfig{}, failing).Check(t.Context(), endpoint(addr)), "no way")
}
