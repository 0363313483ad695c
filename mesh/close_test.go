// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// held is a service that two meshes meet in: a call to it is answered with "a", then
// held until it is let go, and ends with "b".
type held struct {
	calling, serving *mesh.Mesh
	came, letGo      chan struct{}
	ended            atomic.Bool // the handler has
	url, target      string
}

func newHeld(t *testing.T, opts ...mesh.Option) *held {
	t.Helper()
	h := &held{came: make(chan struct{}, 1), letGo: make(chan struct{}), url: "http://web/", target: "enmesh:///rpc"}
	var err error
	if h.serving, err = mesh.Open(t.Context(), opts...); err != nil {
		t.Fatal(err)
	}
	registry := discovery.NewStatic(map[string][]discovery.Endpoint{
		"web": {{Addrs: []string{h.serveHTTP(t)}}}, "rpc": {{Addrs: []string{h.serveGRPC(t)}}},
	})
	if h.calling, err = mesh.Open(t.Context(), append(opts, mesh.WithResolver(registry))...); err != nil {
		t.Fatal(err)
	}
	return h
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (h *held) hold() {
	h.came <- struct{}{}
	<-h.letGo
	h.ended.Store(true)
}

func (h *held) serveHTTP(t *testing.T) string {
	l := listen(t)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		h.hold()
		_, _ = io.WriteString(w, "b")
	}), h.serving.Inbound())}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return l.Addr().String()
}

func (h *held) serveGRPC(t *testing.T) string {
	l := listen(t)
	server := grpc.NewServer(append(meshgrpc.NewServer(h.serving.Inbound()).Options(), grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
		var in wrapperspb.StringValue
		if err := ss.RecvMsg(&in); err != nil {
			return err
		}
		if err := ss.SendMsg(wrapperspb.String("a")); err != nil {
			return err
		}
		h.hold()
		if in.GetValue() == "one" { // of a unary call there is one answer
			return nil
		}
		return ss.SendMsg(wrapperspb.String("b"))
	}))...)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

// overHTTP makes the call, and gives what the whole answer is.
func (h *held) overHTTP(ctx context.Context) (string, error) {
	transport := meshhttp.NewTransport(nil, h.calling.Outbound(), h.calling)
	defer func() { _ = transport.Close() }()
	return get(ctx, &http.Client{Transport: transport}, h.url)
}

func (h *held) dial() (*grpc.ClientConn, error) {
	return grpc.NewClient(h.target, meshgrpc.NewClient(h.calling.Outbound(), h.calling).DialOptions()...)
}

// unary makes the call; its answer is "a" alone.
func (h *held) unary(ctx context.Context) (string, error) {
	cc, err := h.dial()
	if err != nil {
		return "", err
	}
	defer func() { _ = cc.Close() }()
	var out wrapperspb.StringValue
	err = cc.Invoke(ctx, "/held.Held/One", wrapperspb.String("one"), &out)
	return out.GetValue() + "b", err
}

// stream makes the call as a stream.
func (h *held) stream(ctx context.Context) (string, error) {
	cc, err := h.dial()
	if err != nil {
		return "", err
	}
	defer func() { _ = cc.Close() }()
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/held.Held/Many")
	if err != nil {
		return "", err
	}
	if err := s.SendMsg(wrapperspb.String("many")); err != nil {
		return "", err
	}
	var all strings.Builder
	for {
		var out wrapperspb.StringValue
		if err := s.RecvMsg(&out); errors.Is(err, io.EOF) {
			return all.String(), nil
		} else if err != nil {
			return "", err
		}
		all.WriteString(out.GetValue())
	}
}

var overAll = map[string]func(*held, context.Context) (string, error){
	"HTTP": (*held).overHTTP, "unary gRPC": (*held).unary, "a gRPC stream": (*held).stream,
}

// result is how a call ended.
type result struct {
	text string
	err  error
}

// begin makes a call and returns when its handler holds it.
func (h *held) begin(t *testing.T, call func(*held, context.Context) (string, error)) <-chan result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	ended := make(chan result, 1)
	go func() {
		text, err := call(h, ctx)
		ended <- result{text, err}
	}()
	select {
	case <-h.came:
	case r := <-ended:
		t.Fatalf("the call ended with %v before it was held", r)
	}
	return ended
}

func TestClose_waitsForCalls(t *testing.T) {
	for side, closes := range map[string]func(h *held) (*mesh.Mesh, *mesh.Mesh){
		"the caller": func(h *held) (*mesh.Mesh, *mesh.Mesh) { return h.calling, h.serving },
		"the server": func(h *held) (*mesh.Mesh, *mesh.Mesh) { return h.serving, h.calling },
	} {
		for name, call := range overAll {
			t.Run(side+", "+name, func(t *testing.T) {
				h := newHeld(t, mesh.WithDrain(time.Minute))
				first, second := closes(h)
				ended := h.begin(t, call)
				closed := make(chan error, 1)
				go func() { closed <- first.Close() }()
				select {
				case err := <-closed:
					t.Errorf("Close did not wait: %v", err)
				case <-time.After(50 * time.Millisecond):
				}
				close(h.letGo)
				if r := <-ended; r.err != nil || r.text != "ab" {
					t.Errorf("the call ended with %q, %v; want ab", r.text, r.err)
				}
				if err := <-closed; err != nil || !h.ended.Load() {
					t.Errorf("Close: %v", err)
				}
				if err := second.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// What is left when the time is over is told, and not cut.
func TestClose_waitsNoLongerThanItsTime(t *testing.T) {
	for name, call := range overAll {
		t.Run(name, func(t *testing.T) {
			h := newHeld(t, mesh.WithDrain(20*time.Millisecond))
			ended := h.begin(t, call)
			if err := h.calling.Close(); !errors.Is(err, mesh.ErrInFlight) || !strings.Contains(err.Error(), "1 made and 0 served") {
				t.Errorf("the caller's Close: %v, want %v", err, mesh.ErrInFlight)
			}
			if err := h.serving.Close(); !errors.Is(err, mesh.ErrInFlight) || !strings.Contains(err.Error(), "0 made and 1 served") {
				t.Errorf("the server's Close: %v, want %v", err, mesh.ErrInFlight)
			}
			close(h.letGo)
			if r := <-ended; r.err != nil || r.text != "ab" {
				t.Errorf("the call ended with %q, %v; want ab", r.text, r.err)
			}
		})
	}
}

func TestClose_doesNotWaitWhereToldNotTo(t *testing.T) {
	h := newHeld(t, mesh.WithDrain(-1))
	ended := h.begin(t, (*held).overHTTP)
	if err := errors.Join(h.calling.Close(), h.serving.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}
	close(h.letGo)
	if r := <-ended; r.err != nil {
		t.Error(r.err)
	}
}

// Run has waited for the calls that are served, or cut them.
func TestClose_afterTheEndOfARun(t *testing.T) {
	h := newHeld(t, mesh.WithDrain(time.Minute))
	ended := h.begin(t, (*held).overHTTP)
	h.serving.Health().Set(mesh.PhaseStopped)
	if err := h.serving.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	close(h.letGo)
	if r := <-ended; r.err != nil {
		t.Error(r.err)
	}
	if err := h.calling.Close(); err != nil {
		t.Error(err)
	}
}

// Calls that are refused, answered by policy, cancelled or abandoned have ended, too.
func TestClose_knowsWhatHasEnded(t *testing.T) {
	s := newStreet(t, "reviews")
	m := s.open(t, s.web, forReviews("{match: [{uri: {prefix: /gone}}], directResponse: {status: 410}}, {"+toReviews+", retries: {attempts: 0}}")+subsets, mesh.WithDrain(time.Minute))
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { _ = transport.Close() }()
	for _, url := range []string{"http://reviews/x", "http://reviews/gone", "http://nobody/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close() // unread
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := get(ctx, &http.Client{Transport: transport}, "http://reviews/"); err == nil {
		t.Error("a call that was cancelled before it began succeeded")
	}
	began := time.Now()
	if err := m.Close(); err != nil || time.Since(began) > 30*time.Second {
		t.Errorf("Close after %v: %v", time.Since(began), err)
	}
}
