// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent/keeper"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// paced is the rate of calls under a fault, in a second: enough to meet every moment, few
// enough for a machine that does much else.
const paced = 100

// connecting is gRPC's least timeout of a connection.
const connecting = 20 * time.Second

// register makes a backend an instance of reviews in Consul.
func register(t testing.TB, n *consultest.Node, name string) {
	t.Helper()
	host, port, err := net.SplitHostPort(backend(t, name).Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	n.Register(consultest.Service{ID: name, Name: "reviews", Address: host, Port: number})
}

// rpc is the call of a load.
func rpc(cc *grpc.ClientConn) ledger.Call {
	return func(ctx context.Context, _ string) (string, error) {
		var head metadata.MD
		if err := cc.Invoke(ctx, "/shop.Reviews/Get", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Header(&head)); err != nil {
			return "", err
		}
		return head.Get("who")[0], nil
	}
}

// reaches waits until calls are answered by all of want, and by nobody else.
func reaches(t testing.TB, cc *grpc.ClientConn, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprint("calls are answered by ", want), func() bool {
		got := map[string]int{}
		for range 4 * len(want) {
			who, err := call(t, cc)
			if err != nil {
				return false
			}
			got[who]++
		}
		for _, name := range want {
			if got[name] == 0 {
				return false
			}
		}
		return len(got) == len(want)
	})
}

// pause lets a fault last.
func pause(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// none checks that a load lost nothing.
func none(t testing.TB, what string, l *ledger.Ledger) ledger.Report {
	t.Helper()
	l.Stop()
	r := l.Wait()
	t.Logf("%s: %s", what, r)
	if r.Lost > 0 || r.OK == 0 {
		for _, one := range l.Records() {
			if one.Err != nil {
				t.Logf("the first failure: %v", one.Err)
				break
			}
		}
		t.Errorf("%s: %d of %d calls failed, want none of many", what, r.Lost, r.Sent)
	}
	return r
}

// within fails a run in full length, which has the machine to itself, when something took longer
// than is promised.
func within(t testing.TB, what string, took, most time.Duration) {
	t.Helper()
	t.Logf("%s: %v, %v at most", what, took.Round(time.Millisecond), most)
	if ledger.Full() && took > most {
		t.Errorf("%s: got %v, want %v at most", what, took, most)
	}
}

// TestScenarioX1_killed: the agent is killed for a minute, and started again: no call fails,
// clients stay with what they had meanwhile, and come back to it. (reliability 3.2, X1)
func TestScenarioX1_killed(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	register(t, n, "b")
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "a", "b")
	rate := paced
	if ledger.Full() {
		rate = 1000
	}
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: rate})
	pause(t, time.Second)
	p.kill()
	register(t, n, "c")
	before := len(load.Records())
	pause(t, ledger.Short(time.Minute))
	servers := map[string]int{}
	for _, r := range load.Records()[before:] {
		servers[r.Server]++
	}
	if servers["a"] == 0 || servers["b"] == 0 || len(servers) != 2 {
		t.Errorf("while there was no agent calls went to %v, want a and b alone", servers)
	}
	p.start()
	back := time.Now()
	reaches(t, cc, "a", "b", "c")
	t.Logf("a new instance is known %v after the agent's return", time.Since(back).Round(time.Millisecond))
	none(t, "the agent was killed", load)
}

// TestScenarioX2_restartedWithOtherEndpoints: while the agent is away the instances change. Its
// successor never says that there are none, and clients converge. (X2)
func TestScenarioX2_restartedWithOtherEndpoints(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	register(t, n, "b")
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "a", "b")
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced})
	p.end()
	n.Deregister("a")
	register(t, n, "c")
	n.Stop() // Consul stands still: the successor knows only what was
	p.start()
	p.listening()
	pause(t, 3*time.Second)
	n.Cont()
	back := time.Now()
	reaches(t, cc, "b", "c")
	const backoff = 2 * time.Second // the second one of a client of gRPC, at the longest
	within(t, "converged after Consul's return", time.Since(back), 2*time.Second+backoff)
	none(t, "restarted with other endpoints", load)
}

// TestScenarioX2_knowsNothing: the successor has nothing on disk, and Consul does not answer for
// longer than a new client would be kept waiting. Whoever was served before loses nothing. (X2)
func TestScenarioX2_knowsNothing(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	p.cfg.Snapshots = ""
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "a")
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced})
	p.end()
	n.Stop()
	p.start()
	p.listening()
	pause(t, xds.DefaultSettle+5*time.Second) // the client is back after 2 s at most
	n.Cont()
	register(t, n, "b")
	reaches(t, cc, "a", "b")
	none(t, "the successor knew nothing for a while", load)
}

// TestScenario_instancesComeAndGo: instances are registered and deregistered under load; those that
// leave still answer for a while, as mesh.Run has them do.
func TestScenario_instancesComeAndGo(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "stays")
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "stays")
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced})
	for i := range 10 {
		name := fmt.Sprint("guest", i)
		register(t, n, name)
		reaches(t, cc, "stays", name)
		n.Deregister(name)
		reaches(t, cc, "stays")
	}
	none(t, "instances came and went", load)
}

// TestScenarioX3_restartedWithoutRegistry: the agent starts while Consul is down, three times. It
// serves what was good, to clients that were there and to new ones, at once. (X3)
func TestScenarioX3_restartedWithoutRegistry(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{Keep: true})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "a")
	pause(t, 2*time.Second) // until it is on disk
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced})
	n.Kill()
	best := time.Duration(math.MaxInt64)
	for range 3 {
		p.kill()
		began := time.Now()
		p.start()
		p.listening()
		listening := time.Since(began)
		reaches(t, dial(t, p.bootstrap(), "reviews:9080"), "a")
		best = min(best, time.Since(began))
		t.Logf("listening %v after the start, a new client served after %v", listening.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	within(t, "a new client is served after the start, at best", best, 500*time.Millisecond)
	pause(t, 3*time.Second)
	none(t, "restarted without the registry", load)
}

// TestScenarioX4_newClientWithoutAgent: a client that starts while there is no agent fails at
// once, with a reason, and is served when there is one. (X4)
func TestScenarioX4_newClientWithoutAgent(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	cc := dial(t, p.bootstrap(), "reviews:9080")
	began := time.Now()
	_, err := call(t, cc)
	if took := time.Since(began); took > connecting {
		t.Errorf("without an agent a call took %v, want %v at most", took, connecting)
	}
	if status.Code(err) != codes.Unavailable {
		t.Fatalf("without an agent: got %v, want UNAVAILABLE", err)
	}
	eventually(t, "calls end with the socket that is not there", func() bool { // the first has no reason yet
		_, err := call(t, cc)
		text := status.Convert(err).Message()
		return strings.Contains(text, p.cfg.Socket) && strings.Contains(text, "no such file")
	})
	p.start()
	p.listening()
	began = time.Now()
	reaches(t, cc, "a")
	t.Logf("served %v after the agent listens", time.Since(began).Round(time.Millisecond))
}

// TestScenarioX4_keptSocket: the agent's socket is a service manager's, and stays while the agent
// is away. A client that starts meanwhile waits in it, for as long as gRPC waits for a connection,
// and is served as soon as there is an agent again. Where an agent stays away for longer, calls
// fail at that time, with a reason; from then on it is gRPC that tries later and later. (X4)
func TestScenarioX4_keptSocket(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	p.keep()
	p.start()
	reaches(t, dial(t, p.bootstrap(), "reviews:9080"), "a") // what is good is on disk, as at a restart
	waits := []time.Duration{3 * time.Second}
	if ledger.Full() {
		waits = append(waits, 18*time.Second)
	}
	for _, away := range waits {
		p.kill()
		began := time.Now()
		cc := dial(t, p.bootstrap(), "reviews:9080")
		if err := callFor(t, cc, time.Second); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("without an agent: got %v, want DEADLINE_EXCEEDED", err)
		}
		pause(t, time.Until(began.Add(away)))
		p.start()
		began = time.Now()
		reaches(t, cc, "a")
		within(t, fmt.Sprintf("a client that started %v before the agent is served after its start", away), time.Since(began), 2*time.Second)
	}
	if !ledger.Full() {
		return
	}
	p.kill()
	began := time.Now()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	err := callFor(t, cc, hang)
	within(t, "a call ends without an agent", time.Since(began), connecting+time.Second)
	// grpc-go (1.85) has its resolver say first that there is nothing, and why a moment later:
	// the calls that waited may be told the one or the other, those after them the other.
	if text := status.Convert(err).Message(); status.Code(err) != codes.Unavailable ||
		!strings.Contains(text, p.cfg.Socket) && !strings.Contains(text, "produced zero addresses") {
		t.Errorf("without an agent: got %v, want UNAVAILABLE with the socket's name, or that there is no address", err)
	}
	eventually(t, "the calls after it end with the socket's name", func() bool {
		err := callFor(t, cc, time.Second)
		return status.Code(err) == codes.Unavailable && strings.Contains(status.Convert(err).Message(), p.cfg.Socket)
	})
	p.start()
	began = time.Now()
	reaches(t, cc, "a")
	t.Logf("a client that gave up once is served %v after the agent's start", time.Since(began).Round(time.Millisecond))
}

// callFor makes a call with a deadline.
func callFor(t testing.TB, cc *grpc.ClientConn, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return cc.Invoke(ctx, "/shop.Reviews/Get", &emptypb.Empty{}, &emptypb.Empty{})
}

// TestScenarioX4_keeper: a keeper has the agent's socket. A client that starts while there is no
// agent waits a moment for one, and then its calls fail at once, with the reason, for as long
// as there is none. It is served as soon as there is one, however long that takes and however
// often it was refused. One that was there goes on with what it has. (X4)
func TestScenarioX4_keeper(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	p.keeperOf()
	p.start()
	there := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, there, "a")
	pause(t, 2*time.Second) // until it is on disk
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(there), Rate: paced})
	waits := []time.Duration{time.Second, 6 * time.Second}
	if ledger.Full() {
		waits = append(waits, 30*time.Second, 90*time.Second)
	}
	for i, away := range waits {
		p.kill()
		began := time.Now()
		cc := dial(t, p.bootstrap(), "reviews:9080")
		if away > keeper.DefaultPatience {
			refused(t, cc, p, connecting)
			within(t, "the first call is refused", time.Since(began), keeper.DefaultPatience+2*time.Second)
			for time.Since(began) < away {
				called := time.Now()
				refused(t, cc, p, connecting)
				within(t, "a call is refused", time.Since(called), time.Second)
				pause(t, 500*time.Millisecond)
			}
		}
		patient := make(chan error, 1)
		go func() { // waits, as it wants to, until there is an agent
			ctx, cancel := context.WithTimeout(context.Background(), hang)
			defer cancel()
			patient <- cc.Invoke(ctx, "/shop.Reviews/Get", &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(true))
		}()
		pause(t, time.Until(began.Add(away)))
		p.start()
		began = time.Now()
		reaches(t, cc, "a")
		if err := <-patient; err != nil {
			t.Errorf("a call that waited for an agent: %v", err)
		}
		within(t, "a call that waited for an agent has its answer after its start", time.Since(began), 2*time.Second)
		within(t, fmt.Sprintf("a client that started %v before the agent is served after its start", away), time.Since(began), 2*time.Second)
		name := fmt.Sprintf("b%d", i)
		register(t, n, name)
		began = time.Now()
		reaches(t, there, "a", name)
		within(t, "a client that was there hears news of it", time.Since(began), 5*time.Second)
		n.Deregister(name)
	}
	none(t, "the agent was away", load)
}

// refused makes a call, and wants it told that no agent serves at the socket.
func refused(t testing.TB, cc *grpc.ClientConn, p *process, limit time.Duration) {
	t.Helper()
	err := callFor(t, cc, limit)
	if text := status.Convert(err).Message(); status.Code(err) != codes.Unavailable || !strings.Contains(text, "no agent serves at "+p.cfg.Socket) {
		t.Errorf("without an agent: got %v, want UNAVAILABLE, and that no agent serves at the socket", err)
	}
}

// TestScenarioX4_fallback: the first of two agents is dead. A client that was there goes on with
// what it has; new ones are served by the second and hear its news. When the first is back all
// go to it, and the first client hears its news: those that began with the second ask the first
// for their listener alone (grpc-go 1.85), and go on with what the second said. No call fails.
// (X4, gRFC A71)
func TestScenarioX4_fallback(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	first, second := newProcess(t, n.Addr), newProcess(t, n.Addr)
	for _, p := range []*process{first, second} {
		p.start()
		p.listening()
	}
	both := bootstrapOf("", "unix://"+first.cfg.Socket, "unix://"+second.cfg.Socket)
	clients := []*grpc.ClientConn{dial(t, both, "reviews:9080")}
	reaches(t, clients[0], "a")
	loads := []*ledger.Ledger{ledger.Start(t.Context(), ledger.Config{Call: rpc(clients[0]), Rate: paced})}
	first.kill()
	for range 5 {
		cc := dial(t, both, "reviews:9080")
		loads = append(loads, ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced / 5, Timeout: hang}))
		clients = append(clients, cc)
	}
	for _, cc := range clients {
		reaches(t, cc, "a")
	}
	register(t, n, "b")
	for _, cc := range clients[1:] {
		reaches(t, cc, "a", "b")
	}
	first.start()
	first.listening()
	eventually(t, "all are back at the first", func() bool { return len(first.clients()) == len(clients) && len(second.clients()) == 0 })
	second.kill()
	register(t, n, "c")
	reaches(t, clients[0], "a", "b", "c")
	for _, l := range loads {
		none(t, "the first agent was dead", l)
	}
}

// TestScenarioX6_standsStill: the agent stands still for five minutes: no call fails, and news
// arrive when it goes on, over the stream that the client had. (X6)
func TestScenarioX6_standsStill(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "a")
	opened := streamOf(t, p)
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced})
	p.signal(syscall.SIGSTOP)
	register(t, n, "b")
	pause(t, ledger.Short(5*time.Minute))
	p.signal(syscall.SIGCONT)
	began := time.Now()
	reaches(t, cc, "a", "b")
	within(t, "news arrive after it goes on", time.Since(began), 5*time.Second)
	if now := streamOf(t, p); !now.Equal(opened) {
		t.Errorf("the client's stream is of %v, want that of %v: the pause was shorter than the client's keepalive", now, opened)
	}
	none(t, "the agent stood still", load)
}

// streamOf is when the only client of an agent took its listener: anew with each stream.
func streamOf(t testing.TB, p *process) time.Time {
	t.Helper()
	for _, c := range p.clients() {
		for _, r := range c.GetGenericXdsConfigs() {
			if r.GetTypeUrl() == xds.Listener.TypeURL() {
				return r.GetLastUpdated().AsTime()
			}
		}
	}
	t.Fatal("no client has a listener")
	return time.Time{}
}

// TestScenarioX9_emptied: Consul suddenly knows nobody, while the instances are well: clients
// keep them for the time of the guard. (X9)
func TestScenarioX9_emptied(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	register(t, n, "b")
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	reaches(t, cc, "a", "b")
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced})
	n.Deregister("a")
	n.Deregister("b")
	pause(t, 5*time.Second) // the guard doubts for at least 10 s
	register(t, n, "c")
	reaches(t, cc, "c") // a and b are gone, as far as Consul says: 1 of 2 is believed at once
	none(t, "all were deregistered", load)
}

// TestScenarioX13_replaced: an agent is replaced by another that listens in its place while it
// still has clients: they go over one by one, and no call fails. (X13)
func TestScenarioX13_replaced(t *testing.T) {
	ledger.Baseline(t)
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	p := newProcess(t, n.Addr)
	p.cfg.Drain = 3 * time.Second
	p.start()
	p.listening()
	var loads []*ledger.Ledger
	for range 5 {
		cc := dial(t, p.bootstrap(), "reviews:9080")
		reaches(t, cc, "a")
		loads = append(loads, ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: paced / 5}))
	}
	old := *p
	p.signal(syscall.SIGTERM)
	eventually(t, "the old agent has left the socket", func() bool { _, err := os.Stat(p.cfg.Socket); return err != nil })
	p.start()
	p.listening()
	if err := old.wait(); err != nil {
		t.Errorf("the old agent ended with %v, want exit 0", err)
	}
	register(t, n, "b")
	fresh := dial(t, p.bootstrap(), "reviews:9080") // the old one's end has left the socket alone
	reaches(t, fresh, "a", "b")
	pause(t, 3*time.Second)
	for _, l := range loads {
		if r := none(t, "the agent was replaced", l); r.Servers["b"] == 0 {
			t.Error("a client has not heard of the new instance from the new agent")
		}
	}
}
