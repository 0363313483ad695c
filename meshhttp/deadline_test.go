// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestDeadline_travels(t *testing.T) {
	for _, tt := range []struct {
		name       string
		client     []meshhttp.ClientOption
		server     []meshhttp.ServerOption
		limit      time.Duration // the caller's; 0: none
		least, end time.Duration // what the handler has; 0: none
	}{
		{"by default", nil, nil, time.Minute, 50 * time.Second, time.Minute},
		{"clamped", nil, []meshhttp.ServerOption{meshhttp.MaxDeadline(time.Second)}, time.Minute, 500 * time.Millisecond, time.Second},
		{"less the slack", []meshhttp.ClientOption{meshhttp.DeadlineSlack(30 * time.Second)}, nil, time.Minute, 20 * time.Second, 30 * time.Second},
		{"no deadline", nil, nil, 0, 0, 0},
		{"client off", []meshhttp.ClientOption{meshhttp.DeadlineHeader("")}, nil, time.Minute, 0, 0},
		{"server off", nil, []meshhttp.ServerOption{meshhttp.DeadlineHeader("")}, time.Minute, 0, 0},
		{
			"another name",
			[]meshhttp.ClientOption{meshhttp.DeadlineHeader("x-left")},
			[]meshhttp.ServerOption{meshhttp.DeadlineHeader("X-LEFT")}, time.Minute, 50 * time.Second, time.Minute,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var left time.Duration
			h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if d, ok := r.Context().Deadline(); ok {
					left = time.Until(d)
				}
			})
			srv := httptest.NewServer(meshhttp.NewHandler(h, enmesh.Fixed(false), tt.server...))
			defer srv.Close()
			tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), oneCluster{newCluster(nil, srv.Listener.Addr().String())}, tt.client...)
			defer tr.Close()
			ctx := t.Context()
			if tt.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.limit)
				defer cancel()
			}
			req := must(http.NewRequestWithContext(ctx, "GET", "http://svc/", nil))
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = body(t, resp)
			if left < tt.least || left > tt.end {
				t.Errorf("the handler had %v, want %v to %v", left, tt.least, tt.end)
			}
			if len(req.Header) != 0 {
				t.Errorf("the caller's header was written: %v", req.Header)
			}
		})
	}
}

// The far side is told a hundredth less than is left, 5 ms at most, unless the program says
// otherwise; what has nothing left beyond that is not sent.
func TestDeadline_isToldWithLessThanIsLeft(t *testing.T) {
	for _, tt := range []struct {
		left time.Duration
		opts []meshhttp.ClientOption
		want string // "": it is not sent
	}{
		{time.Minute, nil, "59995"},
		{200 * time.Millisecond, nil, "198"},
		{time.Minute, []meshhttp.ClientOption{meshhttp.DeadlineSlack(30 * time.Second)}, "30000"},
		{time.Minute, []meshhttp.ClientOption{meshhttp.DeadlineSlack(0)}, "60000"},
		{time.Second, []meshhttp.ClientOption{meshhttp.DeadlineSlack(time.Second)}, ""},
		{500 * time.Microsecond, nil, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			told := ""
			base := tripper(func(r *http.Request) (*http.Response, error) {
				told = r.Header.Get(meshhttp.DefaultDeadlineHeader)
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})
			cluster := newCluster(nil, "127.0.0.1:1")
			tr := meshhttp.NewTransport(base, enmesh.Fixed(false), oneCluster{cluster}, tt.opts...)
			defer tr.Close()
			ctx, cancel := context.WithTimeout(t.Context(), tt.left)
			defer cancel()
			resp, err := tr.RoundTrip(must(http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)))
			if err == nil {
				_ = resp.Body.Close()
			}
			if told != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("of %v left %q is told, %v; want %q", tt.left, told, err, tt.want)
			}
		})
	}
}

// tripper is a base that a test brings.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDeadline_onTheServer(t *testing.T) {
	for _, tt := range []struct {
		value  string
		ran    bool
		status int
	}{
		{"60000", true, 200}, {"99999999999999999999999", true, 200}, {"soon", true, 200}, {"", true, 200}, {"1.5", true, 200},
		{"0", false, 504}, {"-5", false, 504}, {"-99999999999999999999", false, 504},
	} {
		ran := false
		gate := &recorder{}
		h := meshhttp.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }), enmesh.Fixed(false, enmesh.Guard(gate)))
		rec := httptest.NewRecorder()
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set(meshhttp.DefaultDeadlineHeader, tt.value)
		h.ServeHTTP(rec, req)
		if ran != tt.ran || rec.Code != tt.status {
			t.Errorf("%q: ran %v, status %d; want %v, %d", tt.value, ran, rec.Code, tt.ran, tt.status)
		}
		want := enmesh.Success
		if !tt.ran {
			want = enmesh.Neutral
		}
		if got := gate.last(t).Outcome; got != want {
			t.Errorf("%q: outcome %v, want %v", tt.value, got, want)
		}
	}
}

func TestDeadline_passesWhileTheHandlerRuns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		write  int
		status int
	}{{"writes nothing", 0, 504}, {"gives up by itself", 503, 503}} {
		gate := &recorder{}
		h := meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			if tt.write != 0 {
				w.WriteHeader(tt.write)
			}
		}), enmesh.Fixed(false, enmesh.Guard(gate)))
		rec := httptest.NewRecorder()
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set(meshhttp.DefaultDeadlineHeader, strconv.Itoa(5))
		h.ServeHTTP(rec, req)
		if got := gate.last(t); rec.Code != tt.status || enmesh.ErrorOf(got.Err) != enmesh.ErrDeadline {
			t.Errorf("%s: status %d, outcome %v (%v); want %d, the caller's deadline", tt.name, rec.Code, got.Outcome, got.Err, tt.status)
		}
	}
}

func TestDeadline_boundsTheHeadNotTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &recorder{}
		h := meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Second)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the stream was cut: %v", err)
			}
			if at, ok := r.Context().Deadline(); ok {
				t.Errorf("a deadline is left: %v", at)
			}
		}), enmesh.Fixed(false, enmesh.Guard(gate)))
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set(meshhttp.DefaultDeadlineHeader, "1000")
		h.ServeHTTP(httptest.NewRecorder(), req)
		if r := gate.last(t); r.Outcome != enmesh.Success || r.Latency(r.Answered) != 0 || r.Ended.Sub(r.Answered) != 10*time.Second {
			t.Errorf("got %v, %v after its head", r.Outcome, r.Ended.Sub(r.Answered))
		}
	})
}

func TestDeadline_contextSaysSo(t *testing.T) {
	h := meshhttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		derived, cancel := context.WithCancel(r.Context())
		defer cancel()
		<-derived.Done()
		if err := r.Context().Err(); err != context.DeadlineExceeded {
			t.Errorf("Err: got %v, want DeadlineExceeded", err)
		}
		for _, ctx := range []context.Context{r.Context(), derived} {
			if got := enmesh.EndOf(ctx); got != enmesh.ErrDeadline {
				t.Errorf("EndOf: got %v, want the caller's deadline", got)
			}
		}
	}), enmesh.Fixed(false))
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set(meshhttp.DefaultDeadlineHeader, "2")
	h.ServeHTTP(httptest.NewRecorder(), req)
}

// slowly is an answer whose body comes over ten seconds.
type slowly struct{ n int }

func (s *slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &slowly{10}, ContentLength: -1, Request: r}, nil
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.n == 0 {
		return 0, io.EOF
	}
	s.n--
	time.Sleep(time.Second)
	return copy(p, "data: x\n\n"), nil
}

func (s *slowly) Close() error { return nil }

func TestTransport_longAnswersDoNotTeachLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &recorder{}
		cluster := newCluster(gate, "127.0.0.1:1")
		tr := meshhttp.NewTransport(&slowly{}, enmesh.Fixed(false), oneCluster{cluster})
		resp, err := tr.RoundTrip(must(http.NewRequest("GET", "http://svc/", nil)))
		if err != nil {
			t.Fatal(err)
		}
		e := cluster.Set().Endpoints[0]
		if e.InFlight() != 1 {
			t.Errorf("in flight while the body runs: got %d, want 1", e.InFlight())
		}
		_ = readAll(resp)
		if got := e.Latency(); got > 100*time.Millisecond || e.InFlight() != 0 {
			t.Errorf("latency %v, in flight %d; want the head's, and none", got, e.InFlight())
		}
	})
}
