// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/connectivity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/discovery"
)

// held is a listener that lets nobody in until it is opened: a client's connection stands,
// and is not ready.
type held struct {
	net.Listener
	open chan struct{}
}

func (h held) Accept() (net.Conn, error) {
	<-h.open
	return h.Listener.Accept()
}

// hold makes a server that cannot be connected to before open is called.
func hold(t testing.TB, s *service) (addr string, open func()) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := held{lis, make(chan struct{})}
	open = sync.OnceFunc(func() { close(h.open) })
	serveOn(t, h, s)
	t.Cleanup(open)
	return lis.Addr().String(), open
}

// farm is servers s0, s1 and so on, the last of which is held.
func farm(t testing.TB, n int) (eps []discovery.Endpoint, open func()) {
	t.Helper()
	addrs := make([]string, n)
	for i := range n - 1 {
		addrs[i] = serve(t, named("s"+strconv.Itoa(i)))
	}
	addrs[n-1], open = hold(t, named("s"+strconv.Itoa(n-1)))
	eps = endpoints(addrs...)
	for i := range eps {
		eps[i].Labels = map[string]string{"name": "s" + strconv.Itoa(i)}
	}
	return eps, open
}

// town is a service with an algorithm and a client that has made no call yet. A call's key
// is its header "user".
func town(t testing.TB, a balance.Algorithm, threshold uint32, cfg balance.ConnectionConfig, eps []discovery.Endpoint) (*balance.Cluster, *rush) {
	t.Helper()
	src := &clusters{}
	c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	all := c.Config()
	all.Algorithm, all.Panic, all.Connection = a, threshold, cfg
	c.Configure(all)
	c.Apply(eps)
	cc, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false, affinity.Header("user")), src)
	return c, &rush{t: t, client: client, isReady: func() bool { return cc.GetState() == connectivity.Ready }}
}

// rush is a client's first calls.
type rush struct {
	t       testing.TB
	client  testpb.TestServiceClient
	isReady func() bool

	wg      sync.WaitGroup
	mu      sync.Mutex // guards what follows
	served  map[string]string
	longest time.Duration
}

// call makes a call for a user, beside the test.
func (s *rush) call(user string) {
	s.wg.Go(func() {
		began := time.Now()
		ctx := metadata.AppendToOutgoingContext(testContext(s.t), "user", user)
		answer, err := s.client.UnaryCall(ctx, &testpb.SimpleRequest{})
		if err != nil {
			s.t.Errorf("%s: %v", user, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.served == nil {
			s.served = map[string]string{}
		}
		s.served[user] = string(answer.GetPayload().GetBody())
		s.longest = max(s.longest, time.Since(began))
	})
}

func (s *rush) done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.served)
}

// users are a hundred names, and for each who it belongs to: whoever is picked among all
// endpoints, connected or not.
func users(t testing.TB, c *balance.Cluster) map[string]string {
	t.Helper()
	owners := map[string]string{}
	learn := affinity.Header("user")(func(_ context.Context, call *enmesh.Call) error {
		e, err := c.Picker().Pick(call)
		if err == nil {
			owners[call.Header.Get("user")] = e.Label("name")
		}
		return err
	})
	for i := range 100 {
		user := "u" + strconv.Itoa(i)
		if err := learn(t.Context(), &enmesh.Call{Header: header{user}}); err != nil {
			t.Fatal(err)
		}
	}
	return owners
}

// header has the user and nothing else.
type header struct{ user string }

func (h header) Get(string) string { return h.user }

func (h header) Values(string) []string { return []string{h.user} }

func (header) Set(string, string) {}

func (header) Add(string, string) {}

func (header) Del(string) {}

var hashes = map[string]balance.Algorithm{
	"ring": balance.RingHash(balance.RingHashConfig{}), "maglev": balance.Maglev(balance.MaglevConfig{}),
	"bounded ring": balance.RingHash(balance.RingHashConfig{BalanceFactor: 10_000}),
}

// The first calls of a client go to the owners of their keys, though one of these is slow to
// be connected. Nobody but his own calls waits for him.
func TestStart_keysGoToTheirOwners(t *testing.T) {
	for name, a := range hashes {
		t.Run(name, func(t *testing.T) {
			threshold := uint32(0)
			if name == "maglev" {
				threshold = 50
			}
			eps, open := farm(t, 5)
			c, s := town(t, a, threshold, balance.ConnectionConfig{}, eps)
			owners, slow := users(t, c), 0
			for user, owner := range owners {
				if owner == "s4" {
					slow++
				}
				s.call(user)
			}
			if slow == 0 {
				t.Fatal("the slow one owns nothing")
			}
			eventually(t, "all others are served", func() bool { return s.done() >= len(owners)-slow })
			if got := s.done(); got != len(owners)-slow {
				t.Errorf("%d calls served before the slow one was connected, want %d", got, len(owners)-slow)
			}
			open()
			s.wg.Wait()
			for user, owner := range owners {
				if s.served[user] != owner {
					t.Errorf("%s was served by %q, want %q", user, s.served[user], owner)
				}
			}
		})
	}
}

// zones puts endpoints near and far.
func zones(near, far []string) []discovery.Endpoint {
	eps := make([]discovery.Endpoint, 0, len(near)+len(far))
	for _, addr := range near {
		eps = append(eps, discovery.Endpoint{Addrs: []string{addr}, Locality: discovery.Locality{Region: "r", Zone: "near"}})
	}
	for _, addr := range far {
		eps = append(eps, discovery.Endpoint{Addrs: []string{addr}, Locality: discovery.Locality{Region: "r", Zone: "far"}})
	}
	return eps
}

func nearFirst(inner balance.Algorithm) balance.Algorithm {
	return balance.Locality(balance.LocalityConfig{Local: discovery.Locality{Region: "r", Zone: "near"}, OutlierDetection: true}, inner)
}

// The first calls of a client stay near, though the far zone is connected before.
func TestStart_callsStayNear(t *testing.T) {
	for name, inner := range map[string]balance.Algorithm{"least request": nil, "round robin": balance.RoundRobin(), "ring": hashes["ring"]} {
		t.Run(name, func(t *testing.T) {
			first, openFirst := hold(t, named("near"))
			second, openSecond := hold(t, named("near"))
			far := []string{serve(t, named("far")), serve(t, named("far"))}
			_, s := town(t, nearFirst(inner), 0, balance.ConnectionConfig{}, zones([]string{first, second}, far))
			for i := range 100 {
				s.call("u" + strconv.Itoa(i))
			}
			eventually(t, "the far zone is connected", s.isReady)
			openFirst()
			if name != "ring" { // whose keys belong to both
				eventually(t, "one of the near is enough", func() bool { return s.done() == 100 })
			}
			openSecond()
			s.wg.Wait()
			for user, by := range s.served {
				if by != "near" {
					t.Errorf("%s was served by %q, want near", user, by)
				}
			}
		})
	}
}

// Of a near zone that cannot be reached, calls wait for no longer than the time for
// connecting, and not at all when connecting fails at once.
func TestStart_nearZoneAway(t *testing.T) {
	const bound = 300 * time.Millisecond
	for _, tt := range []struct {
		name        string
		connect     time.Duration
		near        func(testing.TB) string
		least, most time.Duration
	}{
		{"silent", bound, silent, bound, bound + time.Second},
		{"silent, and time to connect", time.Minute, silent, balance.DefaultConnectTimeout, 2 * balance.DefaultConnectTimeout},
		{"refusing", time.Minute, refusing, 0, balance.DefaultConnectTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := []string{tt.near(t), tt.near(t)}, []string{serve(t, named("far")), serve(t, named("far"))}
			_, s := town(t, nearFirst(nil), 0, balance.ConnectionConfig{ConnectTimeout: tt.connect}, zones(near, far))
			for _, round := range []struct{ least, most time.Duration }{{tt.least, tt.most}, {0, tt.least + time.Second/2}} {
				s.longest = 0
				for i := range 20 {
					s.call("u" + strconv.Itoa(i))
				}
				s.wg.Wait()
				for user, by := range s.served {
					if by != "far" {
						t.Errorf("%s was served by %q, want far", user, by)
					}
				}
				t.Logf("the longest call took %v", s.longest)
				if s.longest < round.least || s.longest >= round.most {
					t.Errorf("the longest call took %v, want %v to %v", s.longest, round.least, round.most)
				}
			}
		})
	}
}

// silent is an address where connections stand and nobody says a word.
func silent(t testing.TB) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return lis.Addr().String()
}

// Who joins a set that is in use is not waited for: his keys stay where they were until he
// is connected, and go to him then.
func TestStart_latecomer(t *testing.T) {
	const soon = 100 * time.Millisecond
	eps, open := farm(t, 5)
	c, s := town(t, hashes["ring"], 0, balance.ConnectionConfig{ConnectTimeout: soon}, eps[:4])
	before := users(t, c)
	all := func() map[string]string {
		s.mu.Lock()
		s.served = nil
		s.mu.Unlock()
		for user := range before {
			s.call(user)
		}
		s.wg.Wait()
		return s.served
	}
	same := func(got, want map[string]string) bool {
		for user, owner := range want {
			if got[user] != owner {
				return false
			}
		}
		return true
	}
	if got := all(); !same(got, before) {
		t.Fatalf("served by %v, want %v", got, before)
	}
	pause(soon + 50*time.Millisecond) // the start is over
	c.Apply(eps)
	after := users(t, c)
	if same(before, after) {
		t.Fatal("the latecomer owns nothing")
	}
	for range 10 {
		s.longest = 0
		if got := all(); !same(got, before) {
			t.Fatalf("before the latecomer is connected: served by %v, want %v", got, before)
		}
		if s.longest > time.Second {
			t.Errorf("a call waited %v for the latecomer", s.longest)
		}
	}
	open()
	eventually(t, "he has his keys", func() bool { return same(all(), after) })
}

// An attempt that has timed out while it waited is followed by one that goes to another
// endpoint at once.
func TestStart_secondAttemptDoesNotWait(t *testing.T) {
	const patience = 50 * time.Millisecond
	hurry := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			return next(ctx, c)
		}
	}
	for name, a := range map[string]balance.Algorithm{"ring": hashes["ring"], "near": nearFirst(nil), "near ring": nearFirst(hashes["ring"])} {
		t.Run(name, func(t *testing.T) {
			src := &clusters{}
			c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
			cfg := c.Config()
			cfg.Algorithm = a
			c.Configure(cfg)
			c.Apply(zones([]string{silent(t)}, []string{serve(t, named("far"))}))
			cc, client := dial(t, "enmesh:///ratings", enmesh.Fixed(true, affinity.Header("user"), retry(2), hurry), src)
			s := &rush{t: t, client: client, isReady: func() bool { return cc.GetState() == connectivity.Ready }}
			for i := range 20 {
				s.call("u" + strconv.Itoa(i))
			}
			s.wg.Wait()
			if s.done() != 20 || s.longest < patience || s.longest >= balance.DefaultConnectTimeout {
				t.Errorf("%d of 20 calls served, the slowest in %v; want all, after one attempt of %v", s.done(), s.longest, patience)
			}
		})
	}
}

// Where one is as good as another, the first that is connected serves.
func TestStart_firstServes(t *testing.T) {
	for name, a := range map[string]balance.Algorithm{
		"least request": balance.LeastRequest(2), "round robin": balance.RoundRobin(), "random": balance.Random(),
		"weighted": balance.WeightedRoundRobin(), "ewma": balance.PowerOfTwo(), "slow start": balance.SlowStart(balance.SlowStartConfig{Window: time.Second}, balance.RoundRobin()),
	} {
		t.Run(name, func(t *testing.T) {
			slow, open := hold(t, named("slow"))
			_, s := town(t, a, 0, balance.ConnectionConfig{}, endpoints(slow, serve(t, named("quick"))))
			for i := range 20 {
				s.call("u" + strconv.Itoa(i))
			}
			s.wg.Wait()
			for user, by := range s.served {
				if by != "quick" {
					t.Errorf("%s was served by %q, want quick", user, by)
				}
			}
			open()
		})
	}
}
