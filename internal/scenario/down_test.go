// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package scenario_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// held is the port of a process that is gone: nobody else can have it, and who connects to
// it is refused.
type held struct {
	t  *testing.T
	fd int
}

func hold(t *testing.T, port int) *held {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		t.Fatalf("holding port %d: %v", port, err)
	}
	return &held{t, fd}
}

// listen begins to accept.
func (h *held) listen() net.Listener {
	h.t.Helper()
	if err := syscall.Listen(h.fd, 128); err != nil {
		h.t.Fatal(err)
	}
	f := os.NewFile(uintptr(h.fd), "held")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

// outage is how all instances of a service fail. begin has one fail, and gives what ends
// that and, where its host can count them, the calls or connections that come meanwhile.
type outage func(l *lab, n int) (end func(), seen *visits)

// gone: the process has ended, and connecting is refused.
func gone(l *lab, n int) (func(), *visits) {
	b := l.backends[n]
	b.stop()
	h := hold(l.t, b.port)
	return func() { l.backends[n] = l.serveOn(n, h.listen()) }, nil
}

// resetting: connections are accepted, counted, and reset.
func resetting(l *lab, n int) (func(), *visits) {
	b := l.backends[n]
	b.stop()
	h := hold(l.t, b.port)
	listener := h.listen()
	seen, done := new(visits), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			seen.note()
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}()
	stop := sync.OnceFunc(func() { _ = listener.Close(); <-done })
	l.t.Cleanup(stop)
	return func() {
		stop()
		l.backends[n] = l.serveOn(n, hold(l.t, b.port).listen())
	}, seen
}

// failing: it answers 503, or UNAVAILABLE, at once.
func failing(l *lab, n int) (func(), *visits) {
	b := l.backends[n]
	b.fails.Store(true)
	return func() { b.fails.Store(false) }, &b.asked
}

// TestScenarioN18_allTenFail: all ten instances fail, in one of three ways, behind outlier
// detection and a breaker, or with no more than what connecting itself knows. Calls are
// refused within milliseconds, no host is asked more than once a second whether it is
// back, and 5 s after all are back so are the calls.
func TestScenarioN18_allTenFail(t *testing.T) {
	ledger.Baseline(t)
	beside := bare(t)
	for name, tt := range map[string]struct {
		fail    outage
		breaker bool
	}{
		"gone":               {gone, true},
		"gone, no breaker":   {gone, false},
		"accepted and reset": {resetting, true},
		"errors at once":     {failing, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := openLab(t, 10)
			rules := replace(t, ejects, "maxEjectionPercent: 10", "maxEjectionPercent: 100")
			if tt.breaker {
				l.settled(l.policies(rules), mesh.WithOutbound(breakers(t)))
			} else { // retries wait, which only a breaker cuts short
				l.settled(l.policies(rules + "---" + single))
			}
			allFail(l, tt.fail, beside)
		})
	}
}

// single has no call of the shop's sent again.
const single = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - retries: {attempts: 0}
    route:
    - destination: {host: shop}
`

// breakers are two, one for each protocol, so that one does not speak for the other.
func breakers(t *testing.T) enmesh.Middleware {
	t.Helper()
	var both [2]*breaker.Breaker
	for i := range both {
		b, err := breaker.New(breaker.Config{OpenFor: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		both[i] = b
	}
	return func(next enmesh.Next) enmesh.Next {
		web, rpc := both[0].Middleware()(next), both[1].Middleware()(next)
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Protocol == enmesh.GRPC {
				return rpc(ctx, c)
			}
			return web(ctx, c)
		}
	}
}

// bare is a load of the standard library alone, to a server that answers at
// once: what took as long as its calls at the same time was slow by the machine.
func bare(t *testing.T) *ledger.Ledger {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	load := ledger.Start(t.Context(), ledger.Config{Call: ledger.HTTP(server.Client(), http.MethodGet, server.URL)})
	t.Cleanup(func() {
		load.Stop()
		_ = load.Wait()
	})
	return load
}

// The bounds of N18, and what a busy machine may add to the first.
const (
	failsWithin   = 5 * time.Millisecond
	busy          = 10 * time.Millisecond
	probesApart   = time.Second
	recoversAfter = 5 * time.Second
)

func allFail(l *lab, fail outage, beside *ledger.Ledger) {
	t := l.t
	t.Helper()
	loads := map[string]*client{"HTTP": l.dialling(false), "gRPC": l.dialling(true)}
	for name, c := range loads {
		c.load = ledger.Start(t.Context(), ledger.Config{Call: c.call, Rate: 100, Prefix: name})
		t.Cleanup(c.load.Stop)
	}
	l.caughtUp(loads)
	for name, c := range loads {
		for _, r := range c.load.Records() {
			if r.Err != nil {
				t.Errorf("%s: call %s failed before anything was wrong: %v", name, r.ID, r.Err)
			}
		}
	}
	ends, seen := make([]func(), len(l.backends)), make([]*visits, len(l.backends))
	for i := range l.backends {
		ends[i], seen[i] = fail(l, i)
	}
	l.caughtUp(loads)
	settled := time.Now()
	l.sleep(ledger.Short(60*time.Second) / 3)
	mended := time.Now()
	for name, c := range loads {
		refused(t, name, c.load, beside.Between(settled, mended), settled, mended)
	}
	for i, b := range l.backends {
		if seen[i] != nil {
			probed(t, "its host", seen[i], len(loads), settled, mended)
			continue
		}
		for name, c := range loads {
			probed(t, name, c.dials.of(b.addr), 1, settled, mended)
		}
	}
	for _, end := range ends {
		end()
	}
	l.sleep(recoversAfter)
	back := time.Now()
	l.sleep(2 * time.Second)
	for name, c := range loads {
		c.load.Stop()
		c.load.Wait()
		first, r := c.load.Between(mended, back), c.load.Between(back, time.Now())
		t.Logf("%s: %d of %d calls answered in the first 5 s, %d of %d after", name, first.OK, first.Sent, r.OK, r.Sent)
		if float64(r.OK) < 0.99*float64(r.Sent) {
			t.Errorf("%s: %d of %d calls answered once all were back for 5 s: %v; want 99%%", name, r.OK, r.Sent, r.Errors)
		}
	}
}

// caughtUp waits until what has happened is known to everybody, and calls begin when they
// are due.
func (l *lab) caughtUp(loads map[string]*client) {
	l.t.Helper()
	l.sleep(time.Second)
	l.within(30*time.Second, "calls begin when they are due", func() bool {
		for _, c := range loads {
			rs := c.load.Records()
			if c.load.Open() > 20 || len(rs) == 0 || time.Since(rs[len(rs)-1].Due) > 250*time.Millisecond {
				return false
			}
		}
		return true
	})
	l.sleep(500 * time.Millisecond)
}

// refused wants calls to fail, and soon: within the mark, or what bare calls took in that time.
func refused(t *testing.T, name string, load *ledger.Ledger, bare ledger.Report, from, to time.Time) {
	t.Helper()
	var took []time.Duration
	for _, r := range load.Records() {
		if r.Due.Before(from) || !r.Due.Before(to) {
			continue
		}
		if r.Err == nil {
			t.Errorf("%s: call %s was answered though all fail", name, r.ID)
		}
		took = append(took, r.Took)
	}
	if len(took) < 100 {
		t.Fatalf("%s: %d calls ended, want a load", name, len(took))
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%s: %d calls failed, half in %v, 99%% in %v (the mark: %v; bare calls: %v and %v)", name, len(took), p50, p99, failsWithin, bare.P50, bare.P99)
	if p50 > max(failsWithin, bare.P50) || p99 > max(failsWithin+busy, bare.P99) {
		t.Errorf("%s: calls failed in %v, and 99%% in %v; want %v, or what bare calls took then: %v and %v", name, p50, p99, failsWithin, bare.P50, bare.P99)
	}
}

// probed wants a host to be asked at most once a second by each of so many clients.
func probed(t *testing.T, name string, v *visits, clients int, from, to time.Time) {
	t.Helper()
	n, least := v.between(from, to)
	t.Logf("%s: %d times in %v, at least %v apart", name, n, to.Sub(from).Round(time.Second), least.Round(time.Millisecond))
	if most := clients * int(to.Sub(from)/probesApart+1); n > most {
		t.Errorf("%s: asked %d times in %v, want at most %d", name, n, to.Sub(from), most)
	}
	if clients == 1 && n > 1 && least < probesApart {
		t.Errorf("%s: asked twice within %v, want %v between", name, least, probesApart)
	}
}

// client is one that notes where it connects to, and its load.
type client struct {
	dials dials
	call  ledger.Call
	load  *ledger.Ledger
}

func (l *lab) dialling(rpc bool) *client {
	l.t.Helper()
	c := new(client)
	if !rpc {
		c.call = l.client(&http.Transport{DialContext: c.dials.dial, MaxIdleConnsPerHost: 100})
		return c
	}
	opts := append(meshgrpc.NewClient(l.mesh.Outbound(), l.mesh).DialOptions(),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return c.dials.dial(ctx, "tcp", addr) }))
	cc, err := grpc.NewClient("enmesh:///"+shop, opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = cc.Close() })
	c.call = check(grpc_health_v1.NewHealthClient(cc))
	return c
}
