// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestReplayLimit(t *testing.T) {
	for _, tt := range []struct {
		opts     []meshhttp.ClientOption
		size     int
		attempts int64
	}{
		{nil, meshhttp.DefaultReplayLimit, 3},
		{nil, meshhttp.DefaultReplayLimit + 1, 1},
		{[]meshhttp.ClientOption{meshhttp.ReplayLimit(0)}, 5, 1},
		{[]meshhttp.ClientOption{meshhttp.ReplayLimit(4)}, 5, 1},
		{[]meshhttp.ClientOption{meshhttp.ReplayLimit(5)}, 5, 3},
	} {
		var n atomic.Int64
		w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(503)
		}))
		tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, again(3)), oneCluster{w.cluster}, tt.opts...)
		req := must(http.NewRequest("PUT", "http://svc/", io.NopCloser(strings.NewReader(strings.Repeat("x", tt.size)))))
		req.ContentLength = int64(tt.size)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = body(t, resp)
		if n.Load() != tt.attempts {
			t.Errorf("%d bytes: got %d attempts, want %d", tt.size, n.Load(), tt.attempts)
		}
		_ = tr.Close()
	}
}

func TestTransport_bodiesThatLieAboutTheirLength(t *testing.T) {
	w := newWorld(t, status(200, ""))
	c := w.client(t, nil, true)
	for name, in := range map[string]io.Reader{
		"short": strings.NewReader("abc"), "long": strings.NewReader("abcdefgh"), "broken": broken{},
		"broken at the end": io.MultiReader(strings.NewReader("abcde"), broken{}),
	} {
		body := &closing{Reader: in}
		req := must(http.NewRequest("PUT", "http://svc/", body))
		req.ContentLength = 5
		_, err := c.Do(req)
		if e := enmesh.ErrorOf(err); e == nil || e.Outcome != enmesh.Neutral || body.closed.Load() != 1 {
			t.Errorf("%s: got %v, closed %d times; want the caller's fault", name, err, body.closed.Load())
		}
	}
}

func TestTransport_readsRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		header string
		least  time.Duration
		most   time.Duration
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 58 * time.Minute, time.Hour},
		{"0", 0, 0}, {"soon", 0, 0}, {"", 0, 0},
	} {
		w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tt.header)
			w.WriteHeader(503)
		}))
		var got time.Duration
		c := w.client(t, nil, false, seen(func(_ *enmesh.Call, err error) { got = enmesh.ErrorOf(err).RetryAfter }))
		resp, _ := get(t, c, "http://svc/")
		if got < tt.least || got > tt.most || resp.StatusCode != 503 {
			t.Errorf("%q: got %v, want %v to %v", tt.header, got, tt.least, tt.most)
		}
	}
}

func TestTransport_answersWithStatusesOfTheirOwn(t *testing.T) {
	for _, code := range []int{299, 418, 499, 599, 799} {
		w := newWorld(t, status(code, ""))
		var inside error
		c := w.client(t, nil, false, seen(func(_ *enmesh.Call, err error) { inside = err }))
		if resp, _ := get(t, c, "http://svc/"); resp.StatusCode != code {
			t.Errorf("outside: got %d, want %d", resp.StatusCode, code)
		}
		if (inside == nil) != (code < 400) || inside != nil && enmesh.ErrorOf(inside).Status != code {
			t.Errorf("inside: got %v for %d", inside, code)
		}
	}
}

func TestTransport_stalledAnswersDoNotHoldARetry(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) > 1 {
			return
		}
		w.Header().Set("Content-Length", "100") // promised, and never sent
		w.WriteHeader(503)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	c := w.client(t, nil, true, again(2))
	start := time.Now()
	if resp, _ := get(t, c, "http://svc/"); resp.StatusCode != 200 {
		t.Errorf("got %d, want the second answer", resp.StatusCode)
	}
	if took := time.Since(start); took > 10*time.Second { // else it would be for ever
		t.Errorf("the retry waited %v for an answer that nobody wants", took)
	}
}

func TestConnectTimeout(t *testing.T) {
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	base := &http.Transport{DialContext: silent}
	gate := &recorder{}
	tr := meshhttp.NewTransport(base, enmesh.Fixed(false), oneCluster{newCluster(gate, "127.0.0.1:1")},
		meshhttp.ConnectTimeout(5*time.Millisecond))
	defer tr.Close()
	_, err := tr.RoundTrip(must(http.NewRequest("POST", "http://svc/", nil)))
	if e := enmesh.ErrorOf(err); e == nil || !e.Unsent || e.Flag != enmesh.FlagConnectFailure || e.Outcome != enmesh.Failure {
		t.Errorf("got %v, want UF, unsent, the endpoint's failure", err)
	}
}

// turning is a Source that asks for TLS from its second question on.
type turning struct {
	oneCluster
	asked *atomic.Int64
}

func (s turning) ClientTLS(*balance.Endpoint) *tls.Config {
	if s.asked.Add(1) > 1 {
		return &tls.Config{}
	}
	return nil
}

func TestTransport_neverInTheClearOnceTLSIsAskedFor(t *testing.T) {
	w := newWorld(t, status(200, "in the clear"))
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), turning{oneCluster{w.cluster}, &atomic.Int64{}})
	defer tr.Close()
	_, err := tr.RoundTrip(must(http.NewRequest("GET", "http://svc/", nil)))
	if e := enmesh.ErrorOf(err); e == nil || !e.Unsent || e.Flag != enmesh.FlagConnectFailure {
		t.Errorf("got %v, want the connection refused", err)
	}
}

func TestPeerIdentity(t *testing.T) {
	var got string
	srv := httptest.NewUnstartedServer(meshhttp.NewHandler(status(200, ""),
		enmesh.Fixed(false, before(func(_ context.Context, c *enmesh.Call) error {
			got = c.Source.Identity
			return nil
		})),
		meshhttp.PeerIdentity(func(cs *tls.ConnectionState) string { return "from " + cs.ServerName })))
	srv.StartTLS()
	defer srv.Close()
	client := srv.Client()
	client.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
	resp, err := client.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if got != "from example.com" {
		t.Errorf("got %q", got)
	}
}

func TestHandler_policiesRewriteTheRequest(t *testing.T) {
	var got string
	srv := serve(t, &recorder{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Host + " " + r.URL.String() + " " + r.Header.Get("X-A")
	}), before(func(_ context.Context, c *enmesh.Call) error {
		c.Path, c.Query, c.Authority = "/new", "b=2", "other"
		c.Header.Set("X-A", "b")
		return nil
	}))
	resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL+"/old?a=1", nil)))
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if got != "other /new?b=2 b" {
		t.Errorf("got %q", got)
	}
}

func TestHandler_runsOnce(t *testing.T) {
	var n int
	var second, fork error
	srv := serve(t, &recorder{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }),
		func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				_, _, fork = c.Fork(ctx)
				err := next(ctx, c)
				second = next(ctx, c)
				if c.Again() {
					return errors.New("a server's call cannot be sent again")
				}
				return err
			}
		})
	resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL, nil)))
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if n != 1 || second == nil || fork == nil || resp.StatusCode != 200 {
		t.Errorf("ran %d times, second %v, fork %v, status %d", n, second, fork, resp.StatusCode)
	}
}

func TestTransport_contextsDerivedFromACallStartNoGoroutine(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr := meshhttp.NewTransport(&nothing{header: http.Header{}}, enmesh.Fixed(false, before(func(ctx context.Context, c *enmesh.Call) error {
		before := runtime.NumGoroutine()
		var last context.Context
		for range 100 {
			derived, stop := context.WithCancel(ctx)
			t.Cleanup(stop)
			last = derived
		}
		if n := runtime.NumGoroutine() - before; n > 50 {
			t.Errorf("100 derived contexts started %d goroutines", n)
		}
		if enmesh.FromContext(last) != c {
			t.Error("the call is not found in a derived context")
		}
		cancel()
		<-last.Done()
		return nil
	})), nil)
	_, err := tr.RoundTrip(must(http.NewRequestWithContext(parent, "GET", "http://svc/", nil)))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the caller's cancel", err)
	}
}
