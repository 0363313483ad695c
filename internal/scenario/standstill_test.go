// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package scenario_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// stopped is what the process that is stopped says at its end.
type stopped struct {
	Calls, Failed int64
	Still         int64 // attempts that ended since the process stood still
	Refused       int64 // those that a breaker refused
}

// stoppedVar has the addresses of the servers, for the process that is stopped.
const stoppedVar = "ENMESH_TEST_STANDSTILL"

// TestScenarioS8_clientStandsStill: a client of its own process, with 40 calls under way, is
// stopped and goes on later. All its timers fire at once then. No attempt is sent whose
// time is over, there is no burst of retries, and its breakers do not trip for it.
func TestScenarioS8_clientStandsStill(t *testing.T) {
	if addrs := os.Getenv(stoppedVar); addrs != "" {
		standStill(t, addrs)
		return
	}
	ledger.Baseline(t)
	still := 4 * time.Second
	if ledger.Full() {
		still = 30 * time.Second
	}
	servers := newSlow(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), stoppedVar+"="+servers.web+","+servers.rpc)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // no harm when it has ended
	poll(t, 20*time.Second, "the client is at work", func() bool { return servers.begun.Load() > 200 })
	before := servers.begun.Load()
	(&lab{t: t}).sleep(time.Second)
	usual := servers.begun.Load() - before
	tell := func(s syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	tell(syscall.SIGSTOP)
	(&lab{t: t}).sleep(still)
	before = servers.begun.Load()
	tell(syscall.SIGCONT)
	(&lab{t: t}).sleep(time.Second)
	burst := servers.begun.Load() - before
	tell(syscall.SIGUSR1)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	var s stopped
	_, said, _ := strings.Cut(out.String(), "SAID ")
	if err := json.NewDecoder(strings.NewReader(said)).Decode(&s); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Logf("%d attempts in a second before and %d in the one after; %d calls, %d failed, %d attempts ended by the standstill, %d refused by breakers, %d without time",
		usual, burst, s.Calls, s.Failed, s.Still, s.Refused, servers.expired.Load())
	if servers.expired.Load() != 0 {
		t.Errorf("%d attempts were sent whose time was over", servers.expired.Load())
	}
	if s.Refused != 0 || s.Still == 0 {
		t.Errorf("the breakers refused %d calls, after %d attempts that stood still; want none, after some", s.Refused, s.Still)
	}
	if burst > 2*usual+workers {
		t.Errorf("%d attempts in the second after, %d in the one before", burst, usual)
	}
	if s.Failed > 2*workers {
		t.Errorf("%d calls failed, want no more than were under way", s.Failed)
	}
}

// slow are servers that take 300 ms, and count.
type slow struct {
	web, rpc       string
	begun, expired atomic.Int64
}

func newSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{}
	take := func(ctx context.Context) {
		s.begun.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	wl, gl := loopback(t), loopback(t)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if left := r.Header.Get(meshhttp.DefaultDeadlineHeader); left == "" || len(left) == 1 { // under 10 ms
			s.expired.Add(1)
		}
		take(r.Context())
	})}
	calls := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < 10*time.Millisecond {
			s.expired.Add(1)
		}
		take(ctx)
		return next(ctx, req)
	}))
	grpc_health_v1.RegisterHealthServer(calls, asked{f: func(context.Context) error { return nil }})
	done := make(chan struct{}, 2)
	go func() { _ = server.Serve(wl); done <- struct{}{} }()
	go func() { _ = calls.Serve(gl); done <- struct{}{} }()
	t.Cleanup(func() { _ = server.Close(); calls.Stop(); <-done; <-done })
	s.web, s.rpc = wl.Addr().String(), gl.Addr().String()
	return s
}

// workers is how many callers a client has for each protocol.
const workers = 20

// standStill is the client: each worker calls, waits for the answer, and calls again.
func standStill(t *testing.T, addrs string) {
	t.Helper()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGUSR1)
	defer signal.Stop(end)
	web, rpc, _ := strings.Cut(addrs, ",")
	var said stopped
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for p, addr := range map[*protocol]string{&overHTTP: web, &overGRPC: rpc} {
		w := newTown(t, balance.ConnectionConfig{}, addr)
		w.chain, w.resends = said.chain(t), true
		do := p.ask(w)
		for range workers {
			wg.Go(func() {
				for ctx.Err() == nil {
					call, stop := context.WithTimeout(ctx, 2*time.Second)
					atomic.AddInt64(&said.Calls, 1)
					if do(call) != nil && ctx.Err() == nil {
						atomic.AddInt64(&said.Failed, 1)
					}
					stop()
				}
			})
		}
	}
	<-end
	cancel()
	wg.Wait()
	text, err := json.Marshal(&said)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("SAID %s", text)
}

// chain is a budget, a retry, a breaker that trips after five failures, and a time limit.
func (s *stopped) chain(t *testing.T) []enmesh.Middleware {
	t.Helper()
	on, err := retry.ParseOn("5xx,unavailable,reset,deadline-exceeded,connect-failure")
	if err != nil {
		t.Fatal(err)
	}
	budget := newBudget(t, resilience.BudgetConfig{})
	again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	trips, err := breaker.New(breaker.Config{ConsecutiveFailures: 5})
	if err != nil {
		t.Fatal(err)
	}
	looks := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Idempotent = true
			err := next(ctx, c)
			e := enmesh.ErrorOf(err)
			switch {
			case e == nil:
			case e.Policy == "breaker":
				atomic.AddInt64(&s.Refused, 1)
			case e == enmesh.ErrStandstill:
				atomic.AddInt64(&s.Still, 1)
			}
			return err
		}
	}
	return []enmesh.Middleware{budget.Middleware(), again, looks, trips.Middleware(), timeout.Attempt(time.Second)}
}

// TestScenarioN3_standstill: one of ten instances takes ten times as long, and now and then the
// process itself stands still, client and instances: every answer under way then takes as long.
// The slow one is still known for slow.
func TestScenarioN3_standstill(t *testing.T) {
	l := newLab(t, 10)
	for _, b := range l.backends {
		b.slow.Store(int64(5 * time.Millisecond))
	}
	l.backends[0].slow.Store(int64(50 * time.Millisecond))
	sent := new(tally)
	l.settled(l.policies(quick), mesh.WithTelemetry(sent))
	load := l.hurry(300)
	l.sleep(3 * time.Second)
	mark := sent.now()
	for range 4 {
		stop := exec.CommandContext(t.Context(), "sh", "-c", `kill -STOP "$0"; sleep 0.4; kill -CONT "$0"`, strconv.Itoa(os.Getpid()))
		if out, err := stop.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		l.sleep(2 * time.Second)
	}
	share, n := sent.since(mark, l.backends[0].addr)
	load.Stop()
	r := load.Wait()
	t.Logf("%v; share of the slow one %.4f of %d attempts", r, share, n)
	if r.Lost != 0 {
		t.Errorf("%d of %d calls lost: %v; want none", r.Lost, r.Sent, r.Errors)
	}
	if r.Late < 300*time.Millisecond {
		t.Errorf("the load was %v late at most: the process did not stand still", r.Late)
	}
	if share > 0.02 {
		t.Errorf("the slow one had %.4f of the attempts, want at most 0.02", share)
	}
}
