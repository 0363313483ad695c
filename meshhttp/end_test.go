// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// secured is oneCluster over TLS to a test server.
type secured struct {
	oneCluster
	cfg *tls.Config
}

func (s secured) ClientTLS(*balance.Endpoint) *tls.Config { return s.cfg }

var errCut = errors.New("cut")

// endings is a server with an ending for each path.
func endings() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/full", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/nocontent", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/notmodified", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	mux.HandleFunc("/notfound", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "nothing here")
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // a stream that ends whole would be a success, cancelled or not
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return mux
}

func readAll(resp *http.Response) error {
	_, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return err
}

func TestTransport_endsWithTheBody(t *testing.T) {
	type ending struct {
		name, method, path string
		end                func(*http.Response, context.CancelFunc) error
		endpoint, call     enmesh.Outcome
		broken             bool // end returns an error
	}
	readIt := func(resp *http.Response, _ context.CancelFunc) error { return readAll(resp) }
	notTouched := func(*http.Response, context.CancelFunc) error { return nil }
	closeIt := func(resp *http.Response, _ context.CancelFunc) error { return resp.Body.Close() }
	closeTwice := func(resp *http.Response, _ context.CancelFunc) error {
		_ = resp.Body.Close()
		return resp.Body.Close()
	}
	cancelled := func(resp *http.Response, cancel context.CancelFunc) error {
		cancel()
		return readAll(resp)
	}
	S, F, N := enmesh.Success, enmesh.Failure, enmesh.Neutral
	cases := []ending{
		{"read", "GET", "/full", readIt, S, S, false},
		{"read then closed twice", "GET", "/full", func(r *http.Response, _ context.CancelFunc) error { _ = readAll(r); return r.Body.Close() }, S, S, false},
		{"closed early", "GET", "/big", closeIt, S, S, false},
		{"closed twice", "GET", "/big", closeTwice, S, S, false},
		{"HEAD, not touched", "HEAD", "/full", notTouched, S, S, false},
		{"204, not touched", "GET", "/nocontent", notTouched, S, S, false},
		{"304, not touched", "GET", "/notmodified", notTouched, S, S, false},
		{"empty, not touched", "GET", "/empty", notTouched, S, S, false},
		{"404", "GET", "/notfound", readIt, N, N, false},
		{"trailer", "GET", "/trailer", func(r *http.Response, _ context.CancelFunc) error {
			if err := readAll(r); err != nil || r.Trailer.Get("X-Sum") != "42" {
				return errCut
			}
			return nil
		}, S, S, false},
		{"stream closed", "GET", "/stream", closeIt, S, S, false},
		{"stream cancelled", "GET", "/stream", cancelled, N, N, true},
		{"cut", "GET", "/cut", readIt, F, F, true},
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		srv := httptest.NewUnstartedServer(endings())
		srv.EnableHTTP2 = proto == "HTTP/2.0"
		srv.Config.ErrorLog = quiet
		srv.StartTLS()
		t.Cleanup(srv.Close)
		for _, tt := range cases {
			t.Run(proto+" "+tt.name, func(t *testing.T) {
				w := worldOf(srv)
				client := srv.Client().Transport.(*http.Transport).TLSClientConfig
				tr := meshhttp2(t, w, client)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, tt.method, "http://svc"+tt.path, nil)
				resp, err := tr.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Proto != proto {
					t.Errorf("protocol: got %s, want %s", resp.Proto, proto)
				}
				if err := tt.end(resp, cancel); (err != nil) != tt.broken {
					t.Errorf("body: got error %v, want one: %v", err, tt.broken)
				}
				for where, gate := range map[string]*recorder{"endpoint": w.gate, "call": w.guard} {
					want := tt.call
					if where == "endpoint" {
						want = tt.endpoint
					}
					gate.settled(t, 1)
					if r := gate.last(t); r.Outcome != want || r.Answered == 0 || r.Ended < r.Answered {
						t.Errorf("%s gate: got %v (%v), answered %d, ended %d; want %v", where, r.Outcome, r.Err, r.Answered, r.Ended, want)
					}
				}
				_ = resp.Body.Close()
			})
		}
	}
}

func TestTransport_failuresWithoutAnAnswer(t *testing.T) {
	srv := httptest.NewUnstartedServer(endings())
	srv.Config.ErrorLog = quiet
	srv.Start()
	defer srv.Close()
	w := worldOf(srv)
	c := w.client(t, nil, false)
	for _, tt := range []struct {
		name    string
		req     func() (*http.Request, context.CancelFunc)
		outcome enmesh.Outcome
		flag    enmesh.Flag
		code    enmesh.Code
		unsent  bool
	}{
		{"connection lost after it was sent", func() (*http.Request, context.CancelFunc) {
			r, _ := http.NewRequest("POST", "http://svc/panic", nil)
			return r, func() {}
		}, enmesh.Failure, enmesh.FlagConnectionEnded, enmesh.Unavailable, false},
		{"a bad header", func() (*http.Request, context.CancelFunc) {
			r, _ := http.NewRequest("GET", "http://svc/full", nil)
			r.Header["X"] = []string{"a\r\nB: c"}
			return r, func() {}
		}, enmesh.Neutral, "", enmesh.InvalidArgument, true},
		{"a body that breaks", func() (*http.Request, context.CancelFunc) {
			r, _ := http.NewRequest("POST", "http://svc/full", io.MultiReader(strings.NewReader("x"), broken{}))
			return r, func() {}
		}, enmesh.Neutral, enmesh.FlagCallerGone, enmesh.Canceled, false},
		{"cancelled before", func() (*http.Request, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			r, _ := http.NewRequestWithContext(ctx, "GET", "http://svc/full", nil)
			return r, func() {}
		}, enmesh.Neutral, enmesh.FlagCallerGone, enmesh.Canceled, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, cancel := tt.req()
			defer cancel()
			_, err := c.Do(req)
			e := enmesh.ErrorOf(err)
			if e == nil || e.Outcome != tt.outcome || e.Flag != tt.flag || e.Code != tt.code || e.Unsent != tt.unsent {
				t.Errorf("got %#v (%v)", e, err)
			}
		})
	}
	eventually(t, "every admission is released", func() bool { return w.gate.admitted.Load() == w.gate.done.Load() })
}

// broken is a reader that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errCut }

func TestTransport_whoseDeadlineItWas(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	own := &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Flag: enmesh.FlagTimeout, Policy: "timeout", Err: errors.New("own")}
	c := w.client(t, nil, false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Path == "/own" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, 5*time.Millisecond, own)
				defer cancel()
				c.Expiry = own
				defer func() { c.Expiry = nil }()
			}
			return next(ctx, c)
		}
	})
	for _, tt := range []struct {
		path    string
		want    *enmesh.Error
		outcome enmesh.Outcome
	}{{"/own", own, enmesh.Failure}, {"/caller", enmesh.ErrDeadline, enmesh.Neutral}} {
		before := len(w.gate.outcomes())
		for range 20 {
			limit := time.Minute
			if tt.path == "/caller" {
				limit = 5 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://svc"+tt.path, nil)
			_, err := c.Do(req)
			cancel()
			var timeout interface{ Timeout() bool }
			if e := enmesh.ErrorOf(err); e != tt.want || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Fatalf("%s: got %v, want %v, and a timeout", tt.path, err, tt.want)
			}
		}
		// On a busy machine a deadline may pass before the call has an endpoint.
		of := w.gate.outcomes()[before:]
		if len(of) == 0 {
			t.Errorf("%s: no call of 20 reached its endpoint's gate", tt.path)
		}
		for i, o := range of {
			if o != tt.outcome {
				t.Errorf("%s: endpoint gate, call %d of %d: got %v, want %v", tt.path, i, len(of), o, tt.outcome)
			}
		}
	}
}

func TestTransport_endOnCancel(t *testing.T) {
	w := newWorld(t, endings())
	ctx, cancel := context.WithCancel(t.Context())
	tr := newTransport(t, w, endOnCancel)
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://svc/stream", nil)
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if w.gate.done.Load() != 0 {
		t.Error("the call ended before its body")
	}
	cancel()
	if r := w.gate.last(t); r.Outcome != enmesh.Neutral {
		t.Errorf("got %v, want neutral", r.Outcome)
	}
	w.guard.settled(t, 1)
	_ = resp.Body.Close()
	w.guard.settled(t, 1)
}
