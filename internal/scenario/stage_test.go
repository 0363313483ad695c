// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// act is how a stage plays a stream.
type act int32

const (
	plays      act = iota // it sends its head, and an answer, and ends well
	failsFirst            // it ends with UNAVAILABLE before its head
	failsLater            // the same after it
	hangs                 // it sends its head, and plays when it is released
	waits                 // it does so before its head
)

// stage serves streams of every kind as it is told.
type stage struct {
	testpb.UnimplementedTestServiceServer
	does     atomic.Int32
	starts   atomic.Int64
	released chan struct{}
	once     sync.Once
	server   *grpc.Server
	addr     string
}

// newStage serves behind a chain.
func newStage(t *testing.T, does act, chain ...enmesh.Middleware) *stage {
	t.Helper()
	s := &stage{released: make(chan struct{})}
	s.does.Store(int32(does))
	s.open(t, loopback(t), chain...)
	return s
}

func (s *stage) open(t *testing.T, l net.Listener, chain ...enmesh.Middleware) {
	t.Helper()
	s.addr = l.Addr().String()
	s.server = grpc.NewServer(append(meshgrpc.NewServer(enmesh.Fixed(false, chain...)).Options(), grpc.WaitForHandlers(true))...)
	testpb.RegisterTestServiceServer(s.server, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.server.Serve(l) }()
	t.Cleanup(func() { s.release(); s.server.Stop(); <-done })
}

// release lets streams go on that hang or wait, and all later ones.
func (s *stage) release() { s.once.Do(func() { close(s.released) }) }

// play is one stream, which answers by send.
func (s *stage) play(stream grpc.ServerStream, send func() error) error {
	s.starts.Add(1)
	does := act(s.does.Load())
	if does == failsLater || does == hangs {
		if err := stream.SendHeader(metadata.Pairs("head", "yes")); err != nil {
			return err
		}
	}
	switch does {
	case failsFirst, failsLater:
		return status.Error(codes.Unavailable, "as the test asked")
	case hangs, waits:
		select {
		case <-s.released:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	return send()
}

func (s *stage) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, ss grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	return s.play(ss, func() error { return ss.Send(&testpb.StreamingOutputCallResponse{}) })
}

func (s *stage) StreamingInputCall(ss grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	return s.play(ss, func() error { return ss.SendAndClose(&testpb.StreamingInputCallResponse{}) })
}

func (s *stage) FullDuplexCall(ss grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	return s.play(ss, func() error { return ss.Send(&testpb.StreamingOutputCallResponse{}) })
}

// streamKind opens a stream of a kind, and gives it and what reads it to its end.
type streamKind struct {
	name string
	open func(context.Context, testpb.TestServiceClient) (s grpc.ClientStream, read func() error, err error)
}

// streamKinds are the three. The last two have no answer to wait for while they are opened.
var streamKinds = []streamKind{
	{"server-streaming", func(ctx context.Context, c testpb.TestServiceClient) (grpc.ClientStream, func() error, error) {
		s, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		return s, func() error { return toEnd(s.Recv) }, err
	}},
	{"client-streaming", func(ctx context.Context, c testpb.TestServiceClient) (grpc.ClientStream, func() error, error) {
		s, err := c.StreamingInputCall(ctx)
		return s, func() error {
			if err := s.Send(&testpb.StreamingInputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			_, err := s.CloseAndRecv()
			return err
		}, err
	}},
	{"bidi", func(ctx context.Context, c testpb.TestServiceClient) (grpc.ClientStream, func() error, error) {
		s, err := c.FullDuplexCall(ctx)
		return s, func() error { return toEnd(s.Recv) }, err
	}},
}

// toEnd receives until a stream ends; a good end is nil.
func toEnd(recv func() (*testpb.StreamingOutputCallResponse, error)) error {
	for {
		if _, err := recv(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// audience calls stages through policies, each stream with a witness before them and one after.
type audience struct {
	t             *testing.T
	kind          streamKind
	client        testpb.TestServiceClient
	call, attempt enmeshtest.Gate
}

// newAudience makes calls of a kind to the stage at addr; "spare" is one at another address, if any.
func newAudience(t *testing.T, kind streamKind, addr, spare string, policies ...enmesh.Middleware) *audience {
	t.Helper()
	a := &audience{t: t, kind: kind}
	services := map[string][]discovery.Endpoint{shop: {{Addrs: []string{addr}}}, "spare": {{Addrs: []string{spare}}}}
	chain := append([]enmesh.Middleware{idempotent, enmesh.Guard(&a.call)}, policies...)
	router := enmesh.Fixed(true, append(chain, enmesh.Guard(&a.attempt))...)
	cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(router, balance.NewStaticSource(services, nil)).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	a.client = testpb.NewTestServiceClient(cc)
	return a
}

// open begins a stream, which is given a minute.
func (a *audience) open() (s grpc.ClientStream, read func() error, err error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	a.t.Cleanup(cancel)
	return a.kind.open(ctx, a.client)
}

// watch makes a stream and reads it to its end.
func (a *audience) watch() error {
	a.t.Helper()
	_, read, err := a.open()
	if err != nil {
		return err
	}
	return read()
}

// settled wants so many calls and attempts admitted, and the ends of all.
func (a *audience) settled(calls, attempts int) {
	a.t.Helper()
	settled(a.t, &a.call, &a.attempt)
	if a.call.Admits() != calls || a.attempt.Admits() != attempts {
		a.t.Errorf("%d calls and %d attempts, want %d and %d", a.call.Admits(), a.attempt.Admits(), calls, attempts)
	}
}

// settled waits until gates have heard of the end of all that they admitted.
func settled(t *testing.T, gates ...*enmeshtest.Gate) {
	t.Helper()
	for _, g := range gates {
		poll(t, 10*time.Second, "a gate has heard of every end", func() bool { return g.Settled() == nil })
	}
}
