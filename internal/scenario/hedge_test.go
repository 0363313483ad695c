// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// laggard is one of several replicas; told so, it takes its time with what it is asked.
type laggard struct {
	slow      func() time.Duration
	hits      atomic.Int64
	abandoned atomic.Int64 // calls that nobody waited for in the end
	mu        sync.Mutex   // guards attempts
	attempts  []string     // the header of each, as this server has seen it
}

func (g *laggard) serve(ctx context.Context) error {
	g.hits.Add(1)
	h := enmesh.FromContext(ctx).Header
	g.mu.Lock()
	g.attempts = append(g.attempts, h.Get(enmesh.AttemptHeader)+"/"+h.Get("grpc-previous-rpc-attempts"))
	g.mu.Unlock()
	select {
	case <-time.After(g.slow()):
		return nil
	case <-ctx.Done():
		g.abandoned.Add(1)
		return ctx.Err()
	}
}

func newHedge(t *testing.T, cfg hedge.Config) enmesh.Middleware {
	t.Helper()
	m, err := hedge.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestScenarioP7_oneReplicaIsSlow: of two replicas one takes 400 ms longer. A call that it has is
// sent to the other one after 40 ms, is answered from there, and the slow one hears at once that nobody
// waits any more. The far side reads in a header which attempt it sees.
func TestScenarioP7_oneReplicaIsSlow(t *testing.T) {
	for _, p := range []protocol{overHTTP, overGRPC} {
		t.Run(p.name, func(t *testing.T) {
			ledger.Baseline(t)
			slow, quick := &laggard{slow: func() time.Duration { return 400 * time.Millisecond }}, &laggard{slow: func() time.Duration { return 0 }}
			addrs := []string{p.serve(t, slow.serve), p.serve(t, quick.serve)}
			run := func(prefix string, chain ...enmesh.Middleware) ledger.Report {
				return ledger.Start(t.Context(), ledger.Config{Rate: 50, For: 2 * time.Second, Prefix: prefix, Call: asLoad(p.to(t, chain, addrs...))}).Wait()
			}
			control := run("bare")
			before := slow.hits.Load()
			abandoned := slow.abandoned.Load()
			r := run("hedged", newHedge(t, hedge.Config{Delay: 40 * time.Millisecond}))
			asked := slow.hits.Load() - before
			poll(t, 5*time.Second, "the slow one has heard", func() bool { return slow.abandoned.Load()-abandoned >= asked-2 })
			t.Logf("p99 %v without, %v hedged (%.2f); the slow one had %d calls and was left with %d",
				control.P99, r.P99, float64(r.P99)/float64(control.P99), asked, slow.abandoned.Load()-abandoned)
			if r.Lost != 0 || control.Lost != 0 {
				t.Errorf("%d and %d calls failed", control.Lost, r.Lost)
			}
			if r.P99 > control.P99*4/10 {
				t.Errorf("p99 is %v, want at most 0.4 of %v", r.P99, control.P99)
			}
			quick.mu.Lock()
			defer quick.mu.Unlock()
			want := "2/"
			if p.name == "gRPC" {
				want = "2/1"
			}
			second := 0
			for _, a := range quick.attempts {
				if a == want {
					second++
				} else if a != "/" {
					t.Fatalf("an attempt says %q", a)
				}
			}
			if int64(second) < asked-2 {
				t.Errorf("%d attempts came as the second, of %d calls that the slow one had", second, asked)
			}
		})
	}
}

// TestScenarioP7_theLoserIsCancelledAtOnce: of two replicas one does not answer. When the other has, the
// first one's handler hears within 10 ms that nobody waits any more, over the wire: a loaded machine
// may need longer for one call or another, so it is the quickest of ten that counts. The one in the
// middle is bound loosely.
func TestScenarioP7_theLoserIsCancelledAtOnce(t *testing.T) {
	for _, p := range []protocol{overHTTP, overGRPC} {
		t.Run(p.name, func(t *testing.T) {
			ledger.Baseline(t)
			var asked atomic.Int64
			heard, answered := make(chan time.Time, 1), make(chan time.Time, 1)
			hangs := p.serve(t, func(ctx context.Context) error {
				asked.Add(1)
				<-ctx.Done()
				heard <- time.Now()
				return ctx.Err()
			})
			answers := p.serve(t, func(context.Context) error {
				answered <- time.Now()
				return nil
			})
			call := p.to(t, []enmesh.Middleware{newHedge(t, hedge.Config{Delay: 20 * time.Millisecond})}, hangs, answers)
			var took []time.Duration
			for deadline := time.Now().Add(time.Minute); len(took) < 10; {
				if time.Now().After(deadline) {
					t.Fatalf("in a minute %d calls had a loser, want 10", len(took))
				}
				if err := call(t.Context()); err != nil {
					t.Fatal(err)
				}
				won := <-answered
				if asked.Load() == int64(len(took)) {
					continue // there was no loser
				}
				select {
				case at := <-heard:
					took = append(took, at.Sub(won))
				case <-time.After(10 * time.Second):
					t.Fatal("the loser has not heard in 10 s")
				}
			}
			slices.Sort(took)
			t.Logf("the loser heard %v after the winner had answered at the earliest, %v in the middle, %v at the latest", took[0], took[5], took[9])
			if took[0] > 10*time.Millisecond {
				t.Errorf("the loser heard %v after the winner had answered, want at most 10ms", took[0])
			}
			if took[5] > 100*time.Millisecond {
				t.Errorf("in the middle the loser heard %v after the winner had answered, want at most 100ms", took[5])
			}
		})
	}
}

// TestScenarioO9_allReplicasAreSlow: every replica is slow, so that each call is late. There are no
// more hedges than the budget of 10 % gives, and no call fails for want of it. Where every answer is a
// failure as well, retries spend from the same budget, and both together are no more than it gives.
func TestScenarioO9_allReplicasAreSlow(t *testing.T) {
	for _, p := range []protocol{overHTTP, overGRPC} {
		t.Run(p.name, func(t *testing.T) {
			ledger.Baseline(t)
			both := &laggard{slow: func() time.Duration { return 100 * time.Millisecond }}
			addrs := []string{p.serve(t, both.serve), p.serve(t, both.serve)}
			run := func(cfg hedge.Config, outer ...enmesh.Middleware) (r ledger.Report, extra float64) {
				before := both.hits.Load()
				r = ledger.Start(t.Context(), ledger.Config{Rate: 100, For: 3 * time.Second, Call: asLoad(p.to(t, append(outer, newHedge(t, cfg)), addrs...))}).Wait()
				return r, float64(both.hits.Load()-before)/float64(r.Sent) - 1
			}
			_, free := run(hedge.Config{Delay: 20 * time.Millisecond})
			budget := newBudget(t, resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: -1})
			r, extra := run(hedge.Config{Delay: 20 * time.Millisecond, Budget: budget}, budget.Middleware())
			t.Logf("%.1f %% more attempts without a budget, %.1f %% with; %d of %d calls failed", 100*free, 100*extra, r.Lost, r.Sent)
			if free < 0.9 {
				t.Errorf("the control has %.2f more, want nearly 1", free)
			}
			if extra > 0.1+1e-9 || r.Lost != 0 {
				t.Errorf("%.3f more attempts and %d failures, want at most 0.1 and none", extra, r.Lost)
			}
			var fails target
			fails.fails.Store(true)
			slowly := func(ctx context.Context) error { _ = both.serve(ctx); return fails.serve(ctx) }
			shared := newBudget(t, resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: -1})
			chain := []enmesh.Middleware{shared.Middleware(), newHedge(t, hedge.Config{Delay: 20 * time.Millisecond, Budget: shared}), thrice(t, shared)[1]}
			ask := p.to(t, chain, p.serve(t, slowly), p.serve(t, slowly))
			failing := ledger.Start(t.Context(), ledger.Config{Rate: 100, For: 2 * time.Second, Call: asLoad(ask)}).Wait()
			extra = float64(fails.hits.Load())/float64(failing.Sent) - 1
			t.Logf("%.1f %% more with hedges and retries", 100*extra)
			if extra > 0.1+1e-9 || extra < 0.05 || failing.OK != 0 {
				t.Errorf("%.3f more attempts with hedges and retries, and %d answers; want 0.05 to 0.1, and none", extra, failing.OK)
			}
		})
	}
}

// Retries say which attempt they are, too.
func TestScenario_retriesAreNumbered(t *testing.T) {
	for _, p := range []protocol{overHTTP, overGRPC} {
		t.Run(p.name, func(t *testing.T) {
			var seen []string
			addr := p.serve(t, func(ctx context.Context) error {
				h := enmesh.FromContext(ctx).Header
				seen = append(seen, h.Get(enmesh.AttemptHeader)+"/"+h.Get("grpc-previous-rpc-attempts"))
				return errDown
			})
			on, err := retry.ParseOn("503,unavailable")
			if err != nil {
				t.Fatal(err)
			}
			again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.to(t, []enmesh.Middleware{again}, addr)(t.Context()); err == nil {
				t.Error("the call is answered")
			}
			want := "/ 2/ 3/"
			if p.name == "gRPC" {
				want = "/ 2/1 3/2"
			}
			if got := strings.Join(seen, " "); got != want {
				t.Errorf("the attempts say %q, want %q", got, want)
			}
		})
	}
}

// mute answers a server-streaming call never, or at once and with three messages.
type mute struct {
	testpb.UnimplementedTestServiceServer
	silent    bool
	abandoned atomic.Int64
}

func (m *mute) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	if m.silent {
		<-s.Context().Done()
		m.abandoned.Add(1)
		return s.Context().Err()
	}
	for range 3 {
		if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-time.After(100 * time.Millisecond) // the stream outlives the race that it won
	}
	return nil
}

// A server-streaming call is hedged until its response header comes; the stream that has won goes on to
// its end.
func TestScenario_serverStreamsAreHedged(t *testing.T) {
	ledger.Baseline(t)
	serve := func(m *mute) string {
		l := loopback(t)
		server := grpc.NewServer()
		testpb.RegisterTestServiceServer(server, m)
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(l) }()
		t.Cleanup(func() { server.Stop(); <-done })
		return l.Addr().String()
	}
	silent := &mute{silent: true}
	w := newTown(t, balance.ConnectionConfig{}, serve(silent), serve(&mute{}))
	repeats := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Idempotent = true
			return next(ctx, c)
		}
	}
	w.chain, w.resends = []enmesh.Middleware{repeats, newHedge(t, hedge.Config{Delay: 20 * time.Millisecond})}, true
	cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(w.router(), w).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	const calls = 10
	for range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		s, err := testpb.NewTestServiceClient(cc).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		n := -1
		for ; err == nil; n++ {
			_, err = s.Recv()
		}
		if n != 3 || !errors.Is(err, io.EOF) {
			t.Errorf("%d messages, and then %v; want 3 and the end", n, err)
		}
		cancel()
	}
	poll(t, 5*time.Second, "the silent one has heard", func() bool { return silent.abandoned.Load() >= calls/2-2 })
	t.Logf("of %d calls the silent one had %d", calls, silent.abandoned.Load())
}
