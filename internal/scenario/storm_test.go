// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// crowded are the limits that a cancel storm goes through: one before the callers, one of
// the server, and a queue, in which calls wait.
type crowded struct {
	client, server *concurrency.Adaptive
	queue          *shed.Queue
}

func newCrowded(t *testing.T) crowded {
	t.Helper()
	queue, err := shed.NewQueue(shed.QueueConfig{Slots: kitchenSlots, Interval: kitchenService})
	if err != nil {
		t.Fatal(err)
	}
	var limits []*concurrency.Adaptive
	for _, algorithm := range []concurrency.Algorithm{concurrency.Gradient2, concurrency.Vegas} {
		a, err := concurrency.NewAdaptive(concurrency.AdaptiveConfig{Algorithm: algorithm, Initial: 100})
		if err != nil {
			t.Fatal(err)
		}
		limits = append(limits, a)
	}
	return crowded{client: limits[1], server: limits[0], queue: queue}
}

func (c crowded) inFlight() int64 {
	return c.client.InFlight() + c.server.InFlight() + c.queue.InFlight() + c.queue.Waiting()
}

// TestScenarioO5_everybodyGivesUp: all callers give up after 5 ms, with calls that run and
// calls that wait. Nothing is left in flight after it. How soon, is exact in virtual time only.
func TestScenarioO5_everybodyGivesUp(t *testing.T) {
	ledger.Baseline(t)
	c := newCrowded(t)
	k := newKitchen(t, shed.Receive(nil), enmesh.Guard(c.server), enmesh.Guard(c.queue))
	clients := k.guests(t, enmesh.Critical, enmesh.Guard(c.client))
	r := ledger.Start(t.Context(), ledger.Config{
		Call: both(clients), Rate: 1000, For: ledger.Short(30*time.Second) / 10, Timeout: 5 * time.Millisecond,
	}).Wait()
	left := c.inFlight()
	ended := time.Now()
	for tick := time.NewTicker(time.Millisecond); c.inFlight() > 0; <-tick.C {
		if time.Since(ended) > 10*time.Second {
			t.Fatalf("%d are still in flight", c.inFlight())
		}
	}
	t.Logf("%d calls, %d answered; %d in flight at the end of the last, none after %v", r.Sent, r.OK, left, time.Since(ended).Round(time.Millisecond))
	if r.Sent == 0 || r.OK > r.Sent/100 {
		t.Errorf("%d of %d calls answered within 5 ms of a service that takes 50", r.OK, r.Sent)
	}
	k.empties(t)
}

// TestScenarioO5_inVirtualTime: the same over pipes in place of sockets, for handlers that hear of
// it and for those that go on to their end. A second after the last caller has gone there is no call in any
// limit, no handler, and no context that has not ended.
func TestScenarioO5_inVirtualTime(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		name := "handlers that hear"
		if deaf {
			name = "handlers that go on"
		}
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // see https://go.dev/issue/78156
			synctest.Test(t, func(t *testing.T) {
				c := newCrowded(t)
				var handlers, live, most atomic.Int64
				h := func(w http.ResponseWriter, r *http.Request) {
					most.Store(max(most.Load(), handlers.Add(1)))
					defer handlers.Add(-1)
					live.Add(1)
					context.AfterFunc(r.Context(), func() { live.Add(-1) })
					hears := r.Context().Done()
					if deaf {
						hears = nil
					}
					select {
					case <-time.After(kitchenService):
					case <-hears:
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					_, _ = io.WriteString(w, "done")
				}
				web, end := overPipes(t, http.HandlerFunc(h),
					[]enmesh.Middleware{shed.Receive(nil), enmesh.Guard(c.server), enmesh.Guard(c.queue)},
					[]enmesh.Middleware{enmesh.Guard(c.client)})
				defer end()
				r := ledger.Start(t.Context(), ledger.Config{Call: web, Rate: 1000, For: 3 * time.Second, Timeout: 5 * time.Millisecond}).Wait()
				left, atWork := c.inFlight(), handlers.Load()
				<-time.After(time.Second)
				synctest.Wait()
				t.Logf("%d calls, %d answered, %d handlers at once; at the end of the last %d in flight and %d handlers", r.Sent, r.OK, most.Load(), left, atWork)
				if r.OK != 0 || most.Load() < 5 {
					t.Errorf("%d calls answered and %d handlers at once, want none and at least 5", r.OK, most.Load())
				}
				if c.inFlight() != 0 || handlers.Load() != 0 || live.Load() != 0 {
					t.Errorf("after a second %d calls are in flight, %d handlers run and %d contexts live, want 0", c.inFlight(), handlers.Load(), live.Load())
				}
			})
		})
	}
}

// overPipes is a call over HTTP/1.1 through both chains, on connections that a bubble can see.
func overPipes(t *testing.T, h http.Handler, served, called []enmesh.Middleware) (call ledger.Call, end func()) {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: meshhttp.NewHandler(h, enmesh.Fixed(false, served...)), ReadHeaderTimeout: time.Minute}
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(l) })
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{shop: {{Addrs: []string{"pipe:80"}}}}, nil)
	base := &http.Transport{MaxIdleConnsPerHost: 1000, DialContext: l.dial}
	transport := meshhttp.NewTransport(base, enmesh.Fixed(true, called...), source)
	return ledger.HTTP(&http.Client{Transport: transport}, http.MethodGet, "http://"+shop+"/"), func() {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
		base.CloseIdleConnections()
		_ = server.Close()
		done.Wait()
	}
}

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
