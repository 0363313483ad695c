// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestTransport_retryDoesNotWaitForItsOwnConnection(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(503)
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
	}))
	c := w.client(t, &http.Transport{MaxConnsPerHost: 1}, true, again(3))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(body(t, resp)); got != 1<<20 || n.Load() != 3 {
		t.Errorf("got %d bytes after %d attempts, want the third's MiB", got, n.Load())
	}
}

func TestTransport_headerWrittenBetweenAttemptsOfAnEarlyAnswer(t *testing.T) {
	w := newWorld(t, status(503, "busy")) // answers before it reads
	c := w.client(t, nil, true, again(3), before(func(_ context.Context, c *enmesh.Call) error {
		c.Header.Set("X-Attempt", string(rune('0'+c.Attempt)))
		return nil
	}))
	for range 10 {
		req, _ := http.NewRequest("PUT", "http://svc/", strings.NewReader(strings.Repeat("x", 4<<20)))
		resp, err := c.Do(req)
		if err != nil { // the server may cut the connection under the upload
			if e := enmesh.ErrorOf(err); e == nil || e.Flag != enmesh.FlagConnectionEnded {
				t.Fatal(err)
			}
			continue
		}
		_ = body(t, resp)
	}
	eventually(t, "every admission is released", func() bool { return w.gate.admitted.Load() == w.gate.done.Load() })
}

func TestTransport_interactiveUploadIsNotReadAhead(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.WriteHeader(200)
		_ = rc.Flush()
		_, _ = io.Copy(w, r.Body)
	}))
	c := w.client(t, nil, true, again(3))
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", "http://svc/", pr)
	resp, err := c.Do(req) // the writer waits for the head
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(pw, "hello")
	_ = pw.Close()
	if got := body(t, resp); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
	w.gate.settled(t, 1)
}

// hedge runs two attempts at once and takes the one that answers first; the other
// is cancelled when the call has finished.
func hedge(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		type arm struct {
			call *enmesh.Call
			err  error
		}
		arms := make(chan arm, 2)
		var cancels []context.CancelFunc
		for range 2 {
			actx, cancel := context.WithCancel(ctx)
			cancels = append(cancels, cancel)
			fctx, fork, err := c.Fork(actx)
			if err != nil {
				cancel()
				return err
			}
			go func() { arms <- arm{fork, next(fctx, fork)} }()
		}
		won := <-arms
		c.Adopt(won.call)
		c.OnFinish(func(enmesh.Result) {
			for _, cancel := range cancels {
				cancel()
			}
		})
		go func() {
			lost := <-arms
			lost.call.Drop(enmesh.ErrLost)
		}()
		return won.err
	}
}

func TestTransport_hedgeWithAStreamingWinner(t *testing.T) {
	var n atomic.Int64
	slow := make(chan struct{})
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if n.Add(1) == 1 {
			select {
			case <-slow:
			case <-r.Context().Done():
			}
			return
		}
		for range 3 {
			_, _ = w.Write(b)
			w.(http.Flusher).Flush()
		}
	}))
	c := w.client(t, nil, true, hedge)
	req, _ := http.NewRequest("POST", "http://svc/", strings.NewReader("abc"))
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, resp); got != "abcabcabc" {
		t.Errorf("got %q, want the whole stream of the winner", got)
	}
	close(slow)
	w.guard.settled(t, 1)
	w.gate.settled(t, 2)
	count := map[enmesh.Outcome]int{}
	for _, o := range w.gate.outcomes() {
		count[o]++
	}
	if count[enmesh.Success] != 1 || count[enmesh.Neutral] != 1 {
		t.Errorf("endpoint gate: got %v, want one success and one neutral", count)
	}
}

func TestTransport_forkNeedsABodyThatCanBeHadTwice(t *testing.T) {
	w := newWorld(t, status(200, ""))
	c := w.client(t, nil, true, hedge)
	in := &closing{Reader: strings.NewReader("abc")}
	_, err := c.Post("http://svc/", "text/plain", in)
	if enmesh.CodeOf(err) != enmesh.FailedPrecondition || in.closed.Load() != 1 {
		t.Errorf("got %v, closed %d times", err, in.closed.Load())
	}
}

func TestTransport_panicAfterTheAnswer(t *testing.T) {
	w := newWorld(t, status(200, strings.Repeat("x", 1<<20)))
	boom := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			panic("boom")
		}
	}
	c := w.client(t, nil, false, boom)
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v, want the panic", v)
			}
		}()
		_, _ = c.Get("http://svc/")
	}()
	w.gate.settled(t, 1)
	w.guard.settled(t, 1)

	c = w.client(t, nil, false, enmesh.Recover(nil), boom)
	_, err := c.Get("http://svc/")
	var p *enmesh.PanicError
	if !errors.As(err, &p) {
		t.Errorf("got %v, want the panic as an error", err)
	}
	w.gate.settled(t, 2)
	w.guard.settled(t, 2)
}

// panicking is a base that panics.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("base") }

func TestTransport_panicInTheBase(t *testing.T) {
	w := newWorld(t, status(200, ""))
	c := w.client(t, panicking{}, false, enmesh.Recover(nil))
	if _, err := c.Get("http://svc/"); enmesh.CodeOf(err) != enmesh.Internal {
		t.Errorf("got %v, want Internal", err)
	}
	w.gate.settled(t, 1)
	w.guard.settled(t, 1)
}

func TestTransport_chainThatSendsTwiceWithoutAgain(t *testing.T) {
	w := newWorld(t, status(200, "hello"))
	c := w.client(t, nil, false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			return next(ctx, c)
		}
	})
	if _, got := get(t, c, "http://svc/"); got != "hello" {
		t.Errorf("got %q, want the second answer", got)
	}
	w.gate.settled(t, 2)
}

func TestTransport_chainWithoutAnAnswer(t *testing.T) {
	w := newWorld(t, status(200, "hello"))
	c := w.client(t, nil, false, func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error { return nil }
	})
	if _, err := c.Get("http://svc/"); enmesh.CodeOf(err) != enmesh.Internal {
		t.Errorf("got %v, want an error", err)
	}
}

func TestTransport_policyRefusesASuccess(t *testing.T) {
	w := newWorld(t, status(200, "hello"))
	no := &enmesh.Error{Code: enmesh.DataLoss, Policy: "test", Err: errors.New("no")}
	c := w.client(t, nil, false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			return no
		}
	})
	if _, err := c.Get("http://svc/"); !errors.Is(err, no) {
		t.Errorf("got %v, want the policy's error", err)
	}
	w.gate.settled(t, 1)
}

func TestTransport_blackHoleCountsAgainstTheEndpointOnlyWhenItHadTime(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	for _, tt := range []struct {
		limit time.Duration
		want  enmesh.Outcome
	}{{5 * time.Millisecond, enmesh.Neutral}, {time.Second / 2, enmesh.Failure}} {
		gate := &recorder{}
		route := &enmesh.Route{Name: "r", AttemptTimeout: 50 * time.Millisecond, Next: enmesh.Send}
		tr := meshhttp.NewTransport(nil, enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return route }),
			oneCluster{newCluster(gate, hole.Addr().String())})
		ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)
		_, err := tr.RoundTrip(req)
		cancel()
		if got := gate.last(t).Outcome; got != tt.want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with %v: got %v (%v), want %v", tt.limit, got, err, tt.want)
		}
		_ = tr.Close()
	}
}

func TestTransport_deadEndpointLosesNoIdempotentCall(t *testing.T) {
	h := status(200, "hello")
	a, b := httptest.NewServer(h), httptest.NewServer(h)
	defer b.Close()
	gate := &recorder{}
	cluster := newCluster(gate, a.Listener.Addr().String(), b.Listener.Addr().String())
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, again(3)), oneCluster{cluster})
	defer tr.Close()
	c := &http.Client{Transport: tr}
	for i := range 200 {
		if i == 50 {
			a.CloseClientConnections()
			a.Close()
		}
		if _, got := get(t, c, "http://svc/"); got != "hello" {
			t.Fatalf("call %d: got %q", i, got)
		}
	}
}

func TestTransport_secondAddressOfADualStackEndpoint(t *testing.T) {
	srv := httptest.NewServer(status(200, "hello"))
	defer srv.Close()
	cluster := newCluster(nil)
	for name, first := range map[string]string{"refuses": "127.0.0.1:1", "is silent": "192.0.2.1:80"} {
		cluster.Apply([]discovery.Endpoint{{Addrs: []string{first, srv.Listener.Addr().String()}}})
		tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), oneCluster{cluster})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Errorf("first address %s: %v", name, err)
		} else if got := body(t, resp); got != "hello" {
			t.Errorf("first address %s: got %q", name, got)
		}
		cancel()
		_ = tr.Close()
	}
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}}})
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), oneCluster{cluster})
	defer tr.Close()
	req, _ := http.NewRequest("GET", "http://svc/", nil)
	_, err := tr.RoundTrip(req)
	if e := enmesh.ErrorOf(err); e == nil || !e.Unsent || e.Flag != enmesh.FlagConnectFailure {
		t.Errorf("no address answers: got %v, want UF, unsent", err)
	}
}
