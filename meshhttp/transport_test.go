// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a gate that counts what it hears.
type recorder struct {
	admitted, done atomic.Int64
	mu             sync.Mutex // guards results
	results        []enmesh.Result
}

func (r *recorder) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{N: uint64(r.admitted.Add(1))}, nil
}

func (r *recorder) Done(_ enmesh.Token, res enmesh.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, res)
	r.done.Add(1)
}

func (r *recorder) outcomes() []enmesh.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []enmesh.Outcome
	for _, res := range r.results {
		out = append(out, res.Outcome)
	}
	return out
}

func (r *recorder) last(t *testing.T) enmesh.Result {
	t.Helper()
	eventually(t, "the gate hears the end", func() bool { return r.done.Load() > 0 })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.results[len(r.results)-1]
}

// settled waits until every Admit has met its Done, and fails if one meets two.
func (r *recorder) settled(t *testing.T, admits int64) {
	t.Helper()
	eventually(t, "every Admit meets its Done", func() bool { return r.done.Load() >= r.admitted.Load() })
	if a, d := r.admitted.Load(), r.done.Load(); a != admits || d != admits {
		t.Errorf("admitted %d, done %d, want %d of both", a, d, admits)
	}
}

// eventually polls under a deadline.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	hung := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-time.After(time.Millisecond):
		case <-hung:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// again is a plain retry: up to n attempts, on any error that is safe to repeat.
func again(n int) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			for {
				err := next(ctx, c)
				if err == nil || c.Attempt >= n || !c.Repeatable(err) || ctx.Err() != nil || !c.Again() {
					return err
				}
			}
		}
	}
}

// seen runs f on what the chain sees inside, after each attempt.
func seen(f func(c *enmesh.Call, err error)) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			f(c, err)
			return err
		}
	}
}

func before(f func(ctx context.Context, c *enmesh.Call) error) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := f(ctx, c); err != nil {
				return err
			}
			return next(ctx, c)
		}
	}
}

// world is one server and what a client needs to reach it as http://svc.
type world struct {
	srv     *httptest.Server
	cluster *balance.Cluster
	gate    *recorder // at the endpoint
	guard   *recorder // above the pick
}

// oneCluster is a Source whose every destination is one cluster.
type oneCluster struct{ c *balance.Cluster }

func (s oneCluster) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return s.c }

func endpoints(addrs ...string) []discovery.Endpoint {
	var eps []discovery.Endpoint
	for _, a := range addrs {
		eps = append(eps, discovery.Endpoint{Addrs: []string{a}})
	}
	return eps
}

func newCluster(gate enmesh.Gate, addrs ...string) *balance.Cluster {
	cfg := balance.ClusterConfig{Algorithm: balance.RoundRobin()}
	if gate != nil {
		cfg.Gates = func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }
	}
	c := balance.NewCluster(cfg)
	c.Apply(endpoints(addrs...))
	return c
}

func newWorld(t *testing.T, h http.Handler) *world {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return worldOf(srv)
}

func worldOf(srv *httptest.Server) *world {
	w := &world{srv: srv, gate: &recorder{}, guard: &recorder{}}
	w.cluster = newCluster(w.gate, srv.Listener.Addr().String())
	return w
}

// client is a client whose chain is a guard round ms.
func (w *world) client(t *testing.T, base http.RoundTripper, resends bool, ms ...enmesh.Middleware) *http.Client {
	t.Helper()
	ms = append([]enmesh.Middleware{enmesh.Guard(w.guard)}, ms...)
	tr := meshhttp.NewTransport(base, enmesh.Fixed(resends, ms...), oneCluster{w.cluster})
	t.Cleanup(func() { _ = tr.Close() })
	return &http.Client{Transport: tr}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return resp, body(t, resp)
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("body: %v", err)
	}
	return string(b)
}

func status(code int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	})
}

func TestTransport_statusIsAnErrorInsideAndAResponseOutside(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["X-Many"] = []string{"one", "two"}
		h.Set("Retry-After", "7")
		h.Set(meshhttp.RetryHeader, "maybe")
		h.Set("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
		h.Set("Trailer", "X-Sum, X-Sign")
		w.WriteHeader(503)
		_, _ = io.WriteString(w, "try later")
		h["X-Sum"], h["X-Sign"] = []string{"42", "43"}, []string{"me"}
	}))
	bare, bareText := get(t, http.DefaultClient, w.srv.URL)
	var inside []error
	c := w.client(t, nil, true, again(3), seen(func(_ *enmesh.Call, err error) { inside = append(inside, err) }))
	resp, text := get(t, c, "http://svc/")
	if resp.StatusCode != 503 || resp.Status != bare.Status || text != "try later" || text != bareText {
		t.Errorf("outside: got %q %q, want the untouched 503", resp.Status, text)
	}
	if !reflect.DeepEqual(resp.Header, bare.Header) || len(resp.Header["X-Many"]) != 2 {
		t.Errorf("outside: the header is\n%v, want it untouched:\n%v", resp.Header, bare.Header)
	}
	if !reflect.DeepEqual(resp.Trailer, bare.Trailer) || len(resp.Trailer["X-Sum"]) != 2 || resp.Trailer.Get("X-Sign") != "me" {
		t.Errorf("outside: the trailer is %v, want it untouched: %v", resp.Trailer, bare.Trailer)
	}
	if resp.ContentLength != bare.ContentLength || !reflect.DeepEqual(resp.TransferEncoding, bare.TransferEncoding) {
		t.Errorf("outside: length %d, encoding %v; want %d, %v", resp.ContentLength, resp.TransferEncoding, bare.ContentLength, bare.TransferEncoding)
	}
	if len(inside) != 3 {
		t.Fatalf("attempts: got %d, want 3", len(inside))
	}
	for i, err := range inside {
		e := enmesh.ErrorOf(err)
		if e == nil || e.Status != 503 || e.Code != enmesh.Unavailable || e.Outcome != enmesh.Failure {
			t.Errorf("attempt %d inside: got %#v, want status 503, Unavailable, Failure", i+1, e)
		}
	}
	w.gate.settled(t, 3)
	w.guard.settled(t, 1)
}

func TestTransport_retryReachesTheAnswer(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if n.Add(1) < 3 {
			w.WriteHeader(503)
			return
		}
		_, _ = w.Write(b)
	}))
	c := w.client(t, nil, true, again(3))
	for name, make := range map[string]func() *http.Request{
		"GetBody": func() *http.Request {
			r, _ := http.NewRequest("PUT", "http://svc/", strings.NewReader("hello"))
			return r
		},
		"copy": func() *http.Request {
			r, _ := http.NewRequest("PUT", "http://svc/", io.NopCloser(strings.NewReader("hello")))
			r.ContentLength = 5
			return r
		},
	} {
		n.Store(0)
		resp, err := c.Do(make())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := body(t, resp); got != "hello" || n.Load() != 3 {
			t.Errorf("%s: got %q after %d attempts, want hello after 3", name, got, n.Load())
		}
	}
	w.gate.settled(t, 6)
}

// closing is a body that notes its Close.
type closing struct {
	io.Reader
	closed atomic.Int64
}

func (c *closing) Close() error { c.closed.Add(1); return nil }

func TestTransport_unknownLengthIsSentOnce(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(503)
	}))
	c := w.client(t, nil, true, again(3))
	in := &closing{Reader: strings.NewReader("hello")}
	r, _ := http.NewRequest("PUT", "http://svc/", in)
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if n.Load() != 1 || resp.StatusCode != 503 || in.closed.Load() != 1 {
		t.Errorf("got %d attempts, status %d, closed %d times; want 1, 503, once", n.Load(), resp.StatusCode, in.closed.Load())
	}
}

func TestTransport_unreadBodyOutlivesAFailedConnect(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	w.cluster.Apply(endpoints("127.0.0.1:1", w.srv.Listener.Addr().String()))
	c := w.client(t, nil, true, again(2))
	for i := range 4 { // round robin begins anywhere
		in := &closing{Reader: strings.NewReader("hello")}
		r, _ := http.NewRequest("POST", "http://svc/", in)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if got := body(t, resp); got != "hello" {
			t.Errorf("call %d: got %q, want hello", i, got)
		}
		eventually(t, "the body is closed", func() bool { return in.closed.Load() == 1 })
	}
}

func TestTransport_closesTheBodyOnRefusal(t *testing.T) {
	w := newWorld(t, status(200, ""))
	refusal := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "limit", Err: errors.New("full")}
	c := w.client(t, nil, false, before(func(context.Context, *enmesh.Call) error { return refusal }))
	in := &closing{Reader: strings.NewReader("hello")}
	_, err := c.Post("http://svc/", "text/plain", in)
	var e *enmesh.Error
	if !errors.As(err, &e) || e != refusal {
		t.Errorf("got %v, want the refusal itself", err)
	}
	if in.closed.Load() != 1 {
		t.Errorf("body closed %d times, want once", in.closed.Load())
	}
	if got := w.guard.outcomes(); len(got) != 1 || got[0] != enmesh.Neutral {
		t.Errorf("outcomes: got %v, want one neutral", got)
	}
}

func TestTransport_leavesTheRequestAlone(t *testing.T) {
	var got []http.Header
	var paths []string
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, paths = append(got, r.Header), append(paths, r.Host+r.URL.Path+"?"+r.URL.RawQuery)
		w.WriteHeader(503)
	}))
	c := w.client(t, nil, true, again(2), before(func(_ context.Context, c *enmesh.Call) error {
		c.Header.Set("x-set", "new")
		c.Header.Add("x-add", "two")
		c.Header.Del("X-Del")
		c.Path, c.Query, c.Authority = "/new path", "b=2", "other:99"
		return nil
	}))
	r, _ := http.NewRequest("GET", "http://svc:8080/old%2Fpath?a=1", nil)
	r.Header = http.Header{"X-Set": {"old"}, "X-Add": {"one"}, "X-Del": {"gone"}}
	header, url := r.Header.Clone(), *r.URL
	resp, err := c.Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if len(r.Header) != 3 || r.Header.Get("X-Set") != "old" || len(r.Header["X-Add"]) != 1 || r.Header.Get("X-Del") != header.Get("X-Del") {
		t.Errorf("the caller's header was written: %v", r.Header)
	}
	if *r.URL != url || r.Host != "svc:8080" || resp.Request != r {
		t.Errorf("the caller's request was written: %v %v", r.URL, r.Host)
	}
	if len(got) != 2 || got[0].Get("X-Set") != "new" || len(got[0]["X-Add"]) != 2 || len(got[1]["X-Add"]) != 3 || got[0].Get("X-Del") != "" {
		t.Errorf("sent: %v", got)
	}
	if paths[0] != "other:99/new path?b=2" {
		t.Errorf("sent to %q", paths[0])
	}
}

func TestTransport_withoutSourceSendsToTheURLsHost(t *testing.T) {
	w := newWorld(t, status(200, "hello"))
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false, enmesh.Guard(w.guard)), nil)
	defer tr.Close()
	c := &http.Client{Transport: tr}
	if _, got := get(t, c, w.srv.URL); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
	w.guard.settled(t, 1)
	_, err := c.Get("http://127.0.0.1:1/")
	if e := enmesh.ErrorOf(err); e == nil || e.Flag != enmesh.FlagConnectFailure || !e.Unsent {
		t.Errorf("a dead port: got %v, want UF, unsent", err)
	}
}

func TestTransport_endpointsMissing(t *testing.T) {
	empty := newCluster(nil)
	c := &http.Client{Transport: meshhttp.NewTransport(nil, enmesh.Fixed(false), oneCluster{empty})}
	_, err := c.Get("http://svc/")
	if !errors.Is(err, balance.ErrNoEndpoint) {
		t.Errorf("empty set: got %v, want ErrNoEndpoint", err)
	}
	unknown := balance.NewStaticSource(nil, nil)
	c = &http.Client{Transport: meshhttp.NewTransport(nil, enmesh.Fixed(false), unknown)}
	if _, err = c.Get("http://svc/"); !errors.Is(err, balance.ErrNoCluster) {
		t.Errorf("unknown service: got %v, want ErrNoCluster", err)
	}
}

func TestTransport_waitsForTheFirstSet(t *testing.T) {
	srv := httptest.NewServer(status(200, "hello"))
	defer srv.Close()
	cluster := balance.NewCluster(balance.ClusterConfig{})
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), oneCluster{cluster})
	defer tr.Close()
	c := &http.Client{Transport: tr}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)
	if _, err := c.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before the first set: got %v, want the caller's deadline", err)
	}
	got := make(chan string)
	go func() {
		resp, err := c.Get("http://svc/")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	cluster.Apply(endpoints(srv.Listener.Addr().String()))
	if text := <-got; text != "hello" {
		t.Errorf("after the first set: got %q, want hello", text)
	}
}

func TestTransport_refusesWhenClosed(t *testing.T) {
	w := newWorld(t, status(200, "hello"))
	c := w.client(t, nil, false)
	_, _ = get(t, c, "http://svc/")
	_ = c.Transport.(*meshhttp.Transport).Close()
	if _, err := c.Get("http://svc/"); enmesh.CodeOf(err) != enmesh.Unavailable {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestTransport_handsOutRepliesAsResponses(t *testing.T) {
	w := newWorld(t, status(200, "far"))
	aborted := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Policy: "fault", Flag: enmesh.FlagFaultInjected}
	for name, mw := range map[string]enmesh.Middleware{
		"instead of the answer": before(func(_ context.Context, c *enmesh.Call) error {
			return c.SetReply(&enmesh.Reply{Status: 503, Header: map[string][]string{"x-a": {"b"}}, Body: []byte("made up")}, aborted)
		}),
		"over the answer": func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				if err := next(ctx, c); err != nil {
					return err
				}
				return c.SetReply(&enmesh.Reply{Status: 203, Header: map[string][]string{"X-A": {"b"}}, Body: []byte("made up")}, nil)
			}
		},
	} {
		c := w.client(t, nil, false, mw)
		resp, text := get(t, c, "http://svc/")
		if resp.StatusCode != 503 && resp.StatusCode != 203 || text != "made up" || resp.Header.Get("X-A") != "b" {
			t.Errorf("%s: got %d %q %v", name, resp.StatusCode, text, resp.Header)
		}
	}
	w.gate.settled(t, 1)
	w.guard.settled(t, 2)
}
