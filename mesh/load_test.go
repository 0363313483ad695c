// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// kind is one way to call the shop. Its calls carry an id, and none is idempotent.
type kind func(ctx context.Context, id string) error

// load calls the shop in every way, open loop: at a rate, however long answers take.
type load struct {
	kinds map[string]kind
	names []string

	calls   sync.WaitGroup
	next    atomic.Int64
	mu      sync.Mutex // guards what follows
	made    map[string]int
	lost    map[string][]error
	longest time.Duration

	patience time.Duration // of a call; set before the first
}

// caller is a load from a mesh of its own.
func (o *town) caller() *load {
	o.t.Helper()
	m := o.open("visitor", "v1")
	cc := o.conn(m, "enmesh:///shop:9081")
	stub := testpb.NewTestServiceClient(cc)
	l := &load{patience: 10 * time.Second, made: map[string]int{}, lost: map[string][]error{}}
	l.kinds = map[string]kind{
		"http/1.1":     post(o.speaking(m, false), 1),
		"http/2":       post(o.speaking(m, true), 2),
		"grpc unary":   unary(stub),
		"grpc server":  serverStream(stub),
		"grpc duplex":  duplex(stub),
		"http/1.1 get": fetchFrom(o.speaking(m, false)),
	}
	l.names = slices.Sorted(maps.Keys(l.kinds))
	return l
}

// speaking is an HTTP client of one version.
func (o *town) speaking(m *mesh.Mesh, two bool) *http.Client {
	base := &http.Transport{Protocols: new(http.Protocols), MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Minute}
	base.Protocols.SetHTTP1(!two)
	base.Protocols.SetHTTP2(two)
	transport := meshhttp.NewTransport(base, m.Outbound(), m)
	o.t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport}
}

func post(c *http.Client, major int) kind {
	return func(ctx context.Context, id string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://shop:9080/orders", strings.NewReader(id))
		if err != nil {
			return err
		}
		return finish(c, req, major)
	}
}

func fetchFrom(c *http.Client) kind {
	return func(ctx context.Context, id string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop:9080/?"+id, http.NoBody)
		if err != nil {
			return err
		}
		return finish(c, req, 1)
	}
}

func finish(c *http.Client, req *http.Request, major int) error {
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != "done" || res.ProtoMajor != major) {
		err = fmt.Errorf("status %d over %s: %q", res.StatusCode, res.Proto, body)
	}
	return err
}

func unary(stub testpb.TestServiceClient) kind {
	return func(ctx context.Context, id string) error {
		_, err := stub.UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte(id)}})
		return err
	}
}

func serverStream(stub testpb.TestServiceClient) kind {
	return func(ctx context.Context, id string) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ss, err := stub.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte(id)}})
		if err != nil {
			return err
		}
		for n := 0; ; n++ {
			switch _, err := ss.Recv(); {
			case errors.Is(err, io.EOF) && n == 10:
				return nil
			case err != nil:
				return fmt.Errorf("after %d messages: %w", n, err)
			}
		}
	}
}

func duplex(stub testpb.TestServiceClient) kind {
	return func(ctx context.Context, id string) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ss, err := stub.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		for range 5 {
			if err := ss.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte(id)}}); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if _, err := ss.Recv(); err != nil {
				return err
			}
			pause(ctx, 10*time.Millisecond)
		}
		if err := ss.CloseSend(); err != nil {
			return err
		}
		if _, err := ss.Recv(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("want the end of the stream, got %w", err)
		}
		return nil
	}
}

// run calls at rps a second until ctx ends, and waits for the answers.
func (l *load) run(ctx context.Context, rps int) {
	tick := time.NewTicker(time.Second / time.Duration(rps))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.calls.Wait()
			return
		case <-tick.C:
			l.calls.Go(l.call)
		}
	}
}

// call makes the next call.
func (l *load) call() {
	n := l.next.Add(1)
	name := l.names[int(n)%len(l.names)]
	ctx, cancel := context.WithTimeout(context.Background(), l.patience)
	defer cancel()
	began := time.Now()
	err := l.kinds[name](ctx, fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), n))
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[name]++
	l.longest = max(l.longest, took)
	if err != nil {
		l.lost[name] = append(l.lost[name], err)
	}
}

// failures are the calls that were lost so far, by kind.
func (l *load) failures() map[string][]error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.lost)
}

// begin runs the load beside the test; end stops it.
func (l *load) begin(t *testing.T, rps int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.run(ctx, rps) }()
	end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(end)
	return end
}

// account logs the counts, and fails on every call that was lost or done twice.
func (l *load) account(t *testing.T, w *works) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	lost, made := 0, 0
	for _, name := range l.names {
		made += l.made[name]
		lost += len(l.lost[name])
		for i, err := range l.lost[name] {
			if i < 3 {
				t.Errorf("%s lost: %v", name, err)
			}
		}
		if l.made[name] == 0 {
			t.Errorf("no calls over %s were made", name)
		}
	}
	t.Logf("%d calls %v: %d lost, %d done twice, slowest %v", made, l.made, lost, w.twice(), l.longest.Round(time.Millisecond))
	if twice := w.twice(); lost > 0 || twice > 0 {
		t.Errorf("%d lost, %d done twice; want none of either", lost, twice)
	}
}

// full reports whether scenarios run at their full length.
func full() bool { return os.Getenv("ENMESH_SCENARIOS") == "full" }

// settles checks that the goroutines are back to what they were, at the end of the test
// and after all that was cleaned up.
func settles(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before+2 {
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines 5 s after the end, %d before", runtime.NumGoroutine(), before)
				return
			}
			pause(context.Background(), 10*time.Millisecond)
		}
		t.Logf("goroutines: %d before, %d after", before, runtime.NumGoroutine())
	})
}
