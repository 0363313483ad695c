// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

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
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/faultnet"
)

// counting is a listener that knows how many connections there were, and are.
type counting struct {
	net.Listener
	made, open atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.made.Add(1)
	l.open.Add(1)
	return &counted{Conn: c, of: l}, nil
}

type counted struct {
	net.Conn
	of   *counting
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.of.open.Add(-1) })
	return c.Conn.Close()
}

func listenCounting(t testing.TB) *counting {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &counting{Listener: lis}
}

// TestConnection_isReplacedWhenOld: connections that live for a moment carry a load of
// which no call fails, and a stream that lasts longer than all of them.
func TestConnection_isReplacedWhenOld(t *testing.T) {
	for name, dead := range map[string][]string{"one address": nil, "several addresses": {"127.0.0.1:1"}} {
		t.Run(name, func(t *testing.T) {
			lis := listenCounting(t)
			var calls atomic.Int64
			serveOn(t, lis, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
				calls.Add(1)
				return &testpb.SimpleResponse{}, nil
			}})
			src := &clusters{connection: balance.ConnectionConfig{MaxAge: 40 * time.Millisecond}}
			cluster := src.Cluster(enmesh.Destination{Service: "svc"}, enmesh.GRPC)
			cluster.Apply([]discovery.Endpoint{{Addrs: append([]string{lis.Addr().String()}, dead...)}})
			_, c := dial(t, "enmesh:///svc", enmesh.Fixed(false), src)
			ctx := testContext(t)
			long, err := c.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var sent atomic.Int64
			var all sync.WaitGroup
			stop := time.Now().Add(time.Second)
			for range 8 {
				all.Go(func() {
					for time.Now().Before(stop) {
						sent.Add(1)
						if _, err := c.EmptyCall(ctx, &testpb.Empty{}); err != nil {
							t.Errorf("a call failed: %v", err)
							return
						}
						pause(time.Millisecond)
					}
				})
			}
			all.Wait()
			if sent.Load() != calls.Load() {
				t.Errorf("%d calls were served %d times", sent.Load(), calls.Load())
			}
			if err := long.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
				t.Errorf("the long stream was cut: %v", err)
			}
			if _, err := long.Recv(); err != nil {
				t.Errorf("the long stream was cut: %v", err)
			}
			t.Logf("%d calls over %d connections", sent.Load(), lis.made.Load())
			if got := lis.made.Load(); got < 10 {
				t.Errorf("connections made: got %d, want at least 10 in a second", got)
			}
			if got := lis.open.Load(); got > 4 {
				t.Errorf("connections open: got %d, want that of the stream, the present one, and one on its way", got)
			}
			cluster.Configure(balance.ClusterConfig{})
			eventually(t, "nothing is replaced any more", func() bool {
				before := lis.made.Load()
				pause(100 * time.Millisecond)
				return lis.made.Load() == before
			})
		})
	}
}

// belated are credentials that keep a call between grpc's pick of a connection and the stream
// that it opens there.
type belated struct{ arrived, release chan struct{} }

func (h belated) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	h.arrived <- struct{}{}
	select {
	case <-h.release:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (belated) RequireTransportSecurity() bool { return false }

// TestConnection_staysForWhoPickedIt: a connection that calls go to no more, because it is
// old, or its endpoint has left, serves the call that picked it before and opens its stream
// after. grpc would have that wait until the connection's last stream ends, here for ever.
func TestConnection_staysForWhoPickedIt(t *testing.T) {
	for name, dead := range map[string][]string{"one address": nil, "several addresses": {"127.0.0.1:1"}} {
		t.Run(name, func(t *testing.T) {
			for name, retire := range map[string]func(*balance.Cluster, string){
				"is old": func(c *balance.Cluster, _ string) {
					c.Configure(balance.ClusterConfig{
						Destination: enmesh.Destination{Service: "svc"}, Protocol: enmesh.GRPC, Algorithm: balance.RoundRobin(),
						Connection: balance.ConnectionConfig{MaxAge: 20 * time.Millisecond},
					})
				},
				"endpoint left": func(c *balance.Cluster, other string) {
					c.Apply([]discovery.Endpoint{{Addrs: append([]string{other}, dead...)}})
				},
			} {
				t.Run(name, func(t *testing.T) {
					lis, other := listenCounting(t), listenCounting(t)
					serveOn(t, lis, &service{})
					serveOn(t, other, &service{})
					src := &clusters{}
					cluster := src.Cluster(enmesh.Destination{Service: "svc"}, enmesh.GRPC)
					cluster.Apply([]discovery.Endpoint{{Addrs: append([]string{lis.Addr().String()}, dead...)}})
					_, c := dial(t, "enmesh:///svc", enmesh.Fixed(false), src)
					ctx := testContext(t)
					long, err := c.FullDuplexCall(ctx)
					if err != nil {
						t.Fatal(err)
					}
					late, end := belated{make(chan struct{}, 1), make(chan struct{})}, make(chan error, 1)
					go func() {
						_, err := c.EmptyCall(ctx, &testpb.Empty{}, grpc.PerRPCCredentials(late))
						end <- err
					}()
					<-late.arrived
					retire(cluster, other.Addr().String())
					eventually(t, "the connection is replaced", func() bool { return lis.made.Load()+other.made.Load() >= 3 || other.made.Load() == 1 })
					for range 3 { // such as come later go elsewhere
						if _, err := c.EmptyCall(ctx, &testpb.Empty{}); err != nil {
							t.Errorf("a call after it: %v", err)
						}
					}
					close(late.release)
					if err := <-end; err != nil {
						t.Errorf("the call that had picked the connection: %v", err)
					}
					if err := long.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
						t.Errorf("the long stream was cut: %v", err)
					}
					if _, err := long.Recv(); err != nil {
						t.Errorf("the long stream was cut: %v", err)
					}
					cluster.Configure(balance.ClusterConfig{})
					if err := long.CloseSend(); err != nil {
						t.Error(err)
					}
					if _, err := long.Recv(); !errors.Is(err, io.EOF) {
						t.Errorf("the long stream ended with %v", err)
					}
					eventually(t, "the connection is closed after its last call", func() bool {
						return lis.open.Load()+other.open.Load() == 1
					})
				})
			}
		})
	}
}

// TestConnection_staysWhenItCannotBeReplaced: the server takes no new connection, so the
// old one goes on past its time.
func TestConnection_staysWhenItCannotBeReplaced(t *testing.T) {
	lis := listenCounting(t)
	serveOn(t, lis, &service{})
	src := &clusters{connection: balance.ConnectionConfig{MaxAge: 100 * time.Millisecond}}
	src.apply("svc", lis.Addr().String())
	_, c := dial(t, "enmesh:///svc", enmesh.Fixed(false), src)
	ctx := testContext(t)
	if _, err := c.EmptyCall(ctx, &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); pause(5 * time.Millisecond) {
		if _, err := c.EmptyCall(ctx, &testpb.Empty{}); err != nil {
			t.Fatalf("a call failed: %v", err)
		}
	}
}

// TestConnection_requestsAreBounded: a call over MaxRequests is refused with UO, unsent,
// and one that may be sent again goes to an endpoint that has room.
func TestConnection_requestsAreBounded(t *testing.T) {
	release := make(chan struct{})
	held := make(chan struct{}, 8)
	slow := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		held <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return &testpb.SimpleResponse{}, nil
	}}
	src := &clusters{connection: balance.ConnectionConfig{MaxRequests: 1}}
	src.apply("svc", serve(t, slow), serve(t, slow))
	route, _, attempt := witness()
	patient := func(next enmesh.Next) enmesh.Next { // the second endpoint may still be connecting
		return func(ctx context.Context, c *enmesh.Call) error {
			defer pause(5 * time.Millisecond)
			return next(ctx, c)
		}
	}
	_, c := dial(t, "enmesh:///svc", route(true, retry(50), patient), src)
	ctx := testContext(t)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := c.EmptyCall(ctx, &testpb.Empty{}); err != nil {
				t.Errorf("with room on the other endpoint: %v", err)
			}
		})
		select {
		case <-held:
		case <-ctx.Done():
			t.Fatal("no endpoint took the call")
		}
	}
	_, err := c.EmptyCall(ctx, &testpb.Empty{})
	if status.Code(err) != codes.Unavailable || !errors.Is(err, balance.ErrOverflow) {
		t.Errorf("both full: got %v, want Unavailable, UO", err)
	}
	close(release)
	all.Wait()
	settled(t, attempt)
}

// TestDialer_givesUpAnAddressInItsTime: an address that answers nothing takes as long as
// it may, and no longer.
func TestDialer_givesUpAnAddressInItsTime(t *testing.T) {
	src := &clusters{connection: balance.ConnectionConfig{ConnectTimeout: 50 * time.Millisecond}}
	src.apply("svc", faultnet.Blackhole(t))
	_, c := dial(t, "enmesh:///svc", enmesh.Fixed(false), src)
	began := time.Now()
	_, err := c.EmptyCall(testContext(t), &testpb.Empty{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want Unavailable", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v, want 50 ms", took)
	}
}
