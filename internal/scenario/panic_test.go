// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// mine is what panics when it is stepped on, where it was laid and while it is live.
type mine struct {
	place string
	live  atomic.Bool
	blown atomic.Int64
}

func (m *mine) step(place string) {
	if m.live.Load() && m.place == place {
		m.blown.Add(1)
		panic("stepped on a mine: " + place)
	}
}

// What panics, in the tests of S10.
const (
	inHandler = "handler"           // of the user
	inMatcher = "matcher"           // of a route
	inPolicy  = "middleware"        // an interceptor
	inAdmit   = "gate's Admit"      //
	inDone    = "gate's Done"       //
	inHook    = "callback"          // of a breaker
	inPick    = "endpoint's gate"   // below the pick: under gRPC's own balancer
	inAnswer  = "after the handler" // a middleware on its way out
)

// minedGate is a gate with a mine.
type minedGate struct{ *mine }

func (g minedGate) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	g.step(inAdmit)
	g.step(inPick)
	return enmesh.Token{}, nil
}

func (g minedGate) Done(enmesh.Token, enmesh.Result) { g.step(inDone) }

// field is a chain with a mine in it, and permits round it that have to come back.
type field struct {
	*mine
	permits *concurrency.Fixed
	trip    *breaker.Breaker
	router  enmesh.Router
}

func newField(t *testing.T, place string, outer ...enmesh.Middleware) *field {
	t.Helper()
	f := &field{mine: &mine{place: place}}
	var err error
	if f.permits, err = concurrency.NewFixed(concurrency.Config{Max: 4}); err != nil {
		t.Fatal(err)
	}
	if f.trip, err = breaker.New(breaker.Config{}, breaker.OnChange(func(breaker.Change) { f.step(inHook) })); err != nil {
		t.Fatal(err)
	}
	through := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			f.step(inPolicy)
			if f.place == inHook && f.live.Load() {
				f.trip.ForceOpen() // somebody throws a switch, and its hook panics
				f.trip.Reset()
			}
			err := next(ctx, c)
			f.step(inAnswer)
			return err
		}
	}
	chain := slices.Concat(outer, []enmesh.Middleware{enmesh.Guard(f.permits), enmesh.Guard(f.trip), through, enmesh.Guard(minedGate{f.mine})})
	route := &enmesh.Route{Name: "mined", Destination: enmesh.Destination{Service: "far"}, Next: enmesh.Chain(chain...)(enmesh.Send)}
	f.router = enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route {
		f.step(inMatcher)
		return route
	})
	return f
}

// far serves both protocols with a user's own handlers.
type far struct {
	testpb.UnimplementedTestServiceServer
	*mine
}

func (s far) ServeHTTP(http.ResponseWriter, *http.Request) { s.step(inHandler) }

func (s far) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	s.step(inHandler)
	return &testpb.Empty{}, nil
}

func (s far) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, out grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	s.step(inHandler)
	return out.Send(&testpb.StreamingOutputCallResponse{})
}

// silent takes what net/http says of panics.
var silent = log.New(io.Discard, "", 0)

// caller makes one call and returns how it ended, as one of errCode where a code came back.
type caller func(t *testing.T) error

var errCode = func() map[enmesh.Code]error {
	byCode := map[enmesh.Code]error{}
	for c := enmesh.OK; c <= enmesh.Unauthenticated; c++ {
		byCode[c] = errors.New(c.String())
	}
	return byCode
}()

func viaHTTP(client *http.Client, url string) caller {
	return func(t *testing.T) error {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if e := enmesh.ErrorOf(err); e != nil {
			return errCode[e.Code]
		} else if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return errCode[enmesh.CodeOfStatus(resp.StatusCode)]
		}
		return nil
	}
}

func viaUnary(cc *grpc.ClientConn) caller {
	return func(t *testing.T) error {
		t.Helper()
		_, err := testpb.NewTestServiceClient(cc).EmptyCall(t.Context(), &testpb.Empty{})
		return byCode(err)
	}
}

func viaStream(cc *grpc.ClientConn) caller {
	return func(t *testing.T) error {
		t.Helper()
		s, err := testpb.NewTestServiceClient(cc).StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
		for err == nil {
			_, err = s.Recv()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return byCode(err)
	}
}

func byCode(err error) error {
	if err == nil {
		return nil
	}
	return errCode[enmesh.Code(status.Code(err))]
}

// listen serves g on a port of its own.
func listen(t *testing.T, g *grpc.Server) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return l.Addr().String()
}

func dialPlain(t *testing.T, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// onServer is the field in a server's chain, called over kind from outside the mesh.
func onServer(t *testing.T, kind, place string) (*field, caller) {
	t.Helper()
	f := newField(t, place)
	if kind == "http" {
		srv := httptest.NewUnstartedServer(meshhttp.NewHandler(far{mine: f.mine}, f.router))
		srv.Config.ErrorLog = silent
		srv.Start()
		t.Cleanup(srv.Close)
		return f, viaHTTP(srv.Client(), srv.URL)
	}
	g := grpc.NewServer(meshgrpc.NewServer(f.router, meshgrpc.WithPanicHook(func(context.Context, string, any, []byte) {})).Options()...)
	testpb.RegisterTestServiceServer(g, far{mine: f.mine})
	cc := dialPlain(t, listen(t, g))
	if kind == "stream" {
		return f, viaStream(cc)
	}
	return f, viaUnary(cc)
}

// onClient is the field in a client's chain, inside enmesh.Recover as package mesh has
// it, or below its pick; the server is plain.
func onClient(t *testing.T, kind, place string) (*field, caller) {
	t.Helper()
	f := newField(t, place, enmesh.Recover(nil))
	cluster := balance.NewCluster(balance.ClusterConfig{
		Destination: enmesh.Destination{Service: "far"},
		Gates:       func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{minedGate{f.mine}} },
	})
	healthy := far{mine: &mine{}}
	if kind == "http" {
		srv := httptest.NewServer(healthy)
		t.Cleanup(srv.Close)
		cluster.Apply([]discovery.Endpoint{{Addrs: []string{srv.Listener.Addr().String()}}})
		tr := meshhttp.NewTransport(nil, f.router, one{cluster})
		t.Cleanup(func() { _ = tr.Close() })
		return f, viaHTTP(&http.Client{Transport: tr}, "http://far/")
	}
	g := grpc.NewServer()
	testpb.RegisterTestServiceServer(g, healthy)
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{listen(t, g)}}})
	cc := dialPlain(t, "enmesh:///far", meshgrpc.NewClient(f.router, one{cluster}).DialOptions()...)
	if kind == "stream" {
		return f, viaStream(cc)
	}
	return f, viaUnary(cc)
}

// one is a balance.Source with one cluster.
type one struct{ cluster *balance.Cluster }

func (s one) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return s.cluster }

// S10: whatever of the user's panics, on either side and over either protocol, the
// process lives, the caller of this one call hears 500 or INTERNAL, every permit comes
// back, and the next call goes through.
func TestScenarioS10_panicsAreIsolated(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(before)
	sides := map[string]struct {
		build  func(t *testing.T, kind, place string) (*field, caller)
		places []string
	}{
		"server": {onServer, []string{inHandler, inMatcher, inPolicy, inAnswer, inAdmit, inDone, inHook}},
		"client": {onClient, []string{inPolicy, inAnswer, inAdmit, inDone, inHook, inPick}},
	}
	for side, s := range sides {
		for _, kind := range []string{"http", "unary", "stream"} {
			for _, place := range s.places {
				t.Run(side+" "+kind+" "+place, func(t *testing.T) {
					ledger.Baseline(t)
					f, call := s.build(t, kind, place)
					isolated(t, f, call)
				})
			}
		}
	}
}

func isolated(t *testing.T, f *field, call caller) {
	t.Helper()
	if err := call(t); err != nil {
		t.Fatalf("control: %v, want success", err)
	}
	f.live.Store(true)
	for range 6 { // more than there are permits
		err := guarded(t, call)
		switch f.place {
		case inHook: // it is nobody's call
			if err != nil {
				t.Errorf("the call ends with %v, want success", err)
			}
		case inDone: // where nothing is above it but the end of the answer, the answer was whole
			if err != nil && !errors.Is(err, errCode[enmesh.Internal]) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the call ends with %v, want success, INTERNAL or a cut answer", err)
			}
		default:
			if !errors.Is(err, errCode[enmesh.Internal]) {
				t.Errorf("the call ends with %v, want INTERNAL", err)
			}
		}
		f.trip.Reset() // five panics in a row trip it, as they should
	}
	if f.blown.Load() == 0 {
		t.Error("nothing panicked")
	}
	f.live.Store(false)
	deadline := time.Now().Add(10 * time.Second)
	for f.permits.InFlight() != 0 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	if n := f.permits.InFlight(); n != 0 {
		t.Errorf("%d permits are not back", n)
	}
	if err := call(t); err != nil {
		t.Errorf("the next call: %v, want success", err)
	}
}

// guarded reports a panic that reaches the caller as an error.
func guarded(t *testing.T, call caller) (err error) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("the panic came out at the caller: %v", v)
		}
	}()
	return call(t)
}
