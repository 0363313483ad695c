// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// tables is a catalog without locks, for one goroutine.
type tables struct {
	known    map[pastKey]Resource
	watchers map[pastKey]map[Watcher]bool
	open     chan struct{}
}

func newTables() *tables {
	t := &tables{known: map[pastKey]Resource{}, watchers: map[pastKey]map[Watcher]bool{}, open: make(chan struct{})}
	close(t.open)
	return t
}

func (t *tables) Ready() <-chan struct{} { return t.open }

func (t *tables) Watch(_ *Node, k Kind, name string, w Watcher) {
	key := pastKey{k, name}
	if t.watchers[key] == nil {
		t.watchers[key] = map[Watcher]bool{}
	}
	t.watchers[key][w] = true
	if r, ok := t.known[key]; ok {
		w.Hear(r)
	}
	if name == All {
		for have, r := range t.known {
			if have.kind == k {
				w.Hear(r)
			}
		}
	}
}

func (t *tables) Unwatch(_ *Node, k Kind, name string, w Watcher) {
	delete(t.watchers[pastKey{k, name}], w)
}

func (t *tables) set(k Kind, name, version string) {
	r := Resource{Kind: k, Name: name, Version: version}
	if version != "" {
		r.Body = &anypb.Any{TypeUrl: k.TypeURL(), Value: []byte(name + "=" + version)}
	}
	t.known[pastKey{k, name}] = r
	for _, to := range []string{name, All} {
		for w := range t.watchers[pastKey{k, to}] {
			w.Hear(r)
		}
	}
}

func (t *tables) session(tb testing.TB, cfg Config) *session {
	tb.Helper()
	cfg.Catalog, cfg.Log = t, slog.New(slog.DiscardHandler)
	cfg, err := cfg.withDefaults()
	if err != nil {
		tb.Fatal(err)
	}
	return newSession(&cfg, &Node{ID: "n"}, "s", &past{})
}

// values are the resources of a response.
func values(r *response) []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, b := range r.bodies {
		out = append(out, string(b.GetValue()))
	}
	return out
}

func ask(tb testing.TB, s *session, k Kind, nonce string, names ...string) {
	tb.Helper()
	req := &request{DiscoveryRequest: discoveryv3.DiscoveryRequest{TypeUrl: k.TypeURL(), ResourceNames: names, ResponseNonce: nonce}}
	if err := s.request(req); err != nil {
		tb.Fatal(err)
	}
}

// TestSession_laterSnapshotWithinASecond: what could not be answered is sent within a second of its
// being known, by the defaults, be it asked for a moment ago or for so long that the client has been
// told that there is none. (reliability 3.2, X14)
func TestSession_laterSnapshotWithinASecond(t *testing.T) {
	for _, waited := range []time.Duration{0, 100 * time.Millisecond, DefaultSettle - time.Millisecond, DefaultSettle, time.Minute} {
		for k := range kinds {
			t.Run(fmt.Sprint(k, " after ", waited), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cat := newTables()
					s := cat.session(t, Config{})
					ask(t, s, k, "", "a")
					for begin := time.Now(); time.Since(begin) < waited; time.Sleep(time.Millisecond) {
						if r, _, _ := s.next(time.Now()); r != nil {
							if got := values(r); len(got) > 0 {
								t.Fatalf("got %v of what is not known", got)
							}
							ask(t, s, k, r.nonce, "a")
						}
					}
					known := time.Now()
					for cat.set(k, "a", "1"); ; time.Sleep(time.Millisecond) {
						r, _, _ := s.next(time.Now())
						if got := values(r); slices.Equal(got, []string{"a=1"}) {
							break
						}
						if time.Since(known) > time.Second {
							t.Fatalf("not sent %v after it is known", time.Since(known))
						}
						if r != nil {
							ask(t, s, k, r.nonce, "a")
						}
					}
				})
			})
		}
	}
}

func TestSession_changesWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		cat.set(Endpoints, "a", "1")
		s := cat.session(t, Config{Debounce: 10 * time.Millisecond, MaxDelay: 25 * time.Millisecond})
		ask(t, s, Endpoints, "", "a")
		r, _, _ := s.next(time.Now())
		if got := values(r); !slices.Equal(got, []string{"a=1"}) {
			t.Fatalf("what is asked for: got %v at once, want a=1", got)
		}
		ask(t, s, Endpoints, r.nonce, "a")

		start := time.Now()
		for i := range 10 { // every 8 ms: without a bound it would wait 82 ms
			cat.set(Endpoints, "a", fmt.Sprint(2+i))
			r, at, _ := s.next(time.Now())
			if r != nil {
				if waited := time.Since(start); waited < 10*time.Millisecond || waited > 32*time.Millisecond {
					t.Errorf("sent after %v, want about 25 ms", waited)
				}
				return
			}
			if at.After(start.Add(25 * time.Millisecond)) {
				t.Errorf("to be sent %v after the first change, want at most 25 ms", at.Sub(start))
			}
			time.Sleep(8 * time.Millisecond)
		}
		t.Error("never sent")
	})
}

// TestSession_anAnswerThatLeavesNothingToSayWakesNobody: each response is answered, and what
// sends would look in vain.
func TestSession_anAnswerThatLeavesNothingToSayWakesNobody(t *testing.T) {
	cat := newTables()
	cat.set(Endpoints, "a", "1")
	s := cat.session(t, Config{})
	woken := func() bool {
		select {
		case <-s.wake:
			return true
		default:
			return false
		}
	}
	ask(t, s, Endpoints, "", "a")
	if !woken() {
		t.Error("what is asked for wakes nobody")
	}
	r, _, _ := s.next(time.Now())
	ask(t, s, Endpoints, r.nonce, "a")
	if woken() {
		t.Error("an answer wakes who sends")
	}
	ask(t, s, Endpoints, r.nonce, "a", "b")
	cat.set(Endpoints, "b", "1")
	if !woken() {
		t.Error("what is asked for later wakes nobody")
	}
	r, _, _ = s.next(time.Now())
	cat.set(Endpoints, "b", "2")
	for woken() { // by the change, which waits for the answer
	}
	ask(t, s, Endpoints, r.nonce, "a", "b")
	if !woken() {
		t.Error("an answer that a change waits for wakes nobody")
	}
}

func TestSession_aStreamOfManyNamesIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprint("svc-", i)
			cat.set(Endpoints, names[i], "1")
		}
		s := cat.session(t, Config{})
		ask(t, s, Endpoints, "", names...)
		start := time.Now()
		r, _, _ := s.next(start)
		ask(t, s, Endpoints, r.nonce, names...)
		cat.set(Endpoints, "svc-1", "2")
		if r, at, _ := s.next(time.Now()); r != nil || at.Sub(start) != 50*time.Millisecond {
			t.Fatalf("a change: got %v, or after %v, want 50 ms", values(r), at.Sub(start))
		}
		<-s.wake
		time.Sleep(20 * time.Millisecond)
		cat.set(Endpoints, "more", "1")
		names = slices.Concat(names, []string{"more"})
		ask(t, s, Endpoints, r.nonce, names...)
		<-s.wake
		if r, _, _ = s.next(time.Now()); len(values(r)) != 2 {
			t.Fatalf("what is asked for: got %v, want it at once, with what waits", values(r))
		}
		ask(t, s, Endpoints, r.nonce, names...)
		time.Sleep(time.Minute)
		cat.set(Endpoints, "svc-1", "3")
		if r, _, _ := s.next(time.Now()); !slices.Equal(values(r), []string{"svc-1=3"}) {
			t.Errorf("after a pause: got %v at once, want the change", values(r))
		}
	})
}

// TestSession_endpointsGoOutAtOnceAfterAPause: who drains or dies is told without a wait, unless
// the client was told of others a moment ago. What a client is sent whole waits for the rest.
func TestSession_endpointsGoOutAtOnceAfterAPause(t *testing.T) {
	for _, k := range []Kind{Listener, Route, Cluster, Endpoints} {
		t.Run(k.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cat := newTables()
				for _, name := range []string{"a", "b"} {
					cat.set(k, name, "1")
				}
				s := cat.session(t, Config{})
				ask(t, s, k, "", "a", "b")
				r, _, _ := s.next(time.Now())
				ask(t, s, k, r.nonce, "a", "b")

				wait := func(value string) time.Duration {
					t.Helper()
					cat.set(k, "b", value)
					start := time.Now()
					r, at, _ := s.next(start)
					if r == nil {
						time.Sleep(time.Until(at))
						r, _, _ = s.next(time.Now())
					}
					if got := values(r); !slices.Contains(got, "b="+value) {
						t.Fatalf("got %v when it was due, want b=%s", got, value)
					}
					ask(t, s, k, r.nonce, "a", "b")
					return time.Since(start)
				}
				pause := DefaultMaxDelay + time.Millisecond
				at := map[bool]time.Duration{true: 0, false: DefaultDebounce}[k == Endpoints]
				for i, want := range []struct{ pause, wait time.Duration }{
					{pause, at}, {0, DefaultDebounce}, {DefaultMaxDelay - DefaultDebounce, DefaultDebounce}, {pause, at}, {time.Hour, at},
				} {
					time.Sleep(want.pause)
					if got := wait(fmt.Sprint(2 + i)); got != want.wait {
						t.Errorf("after %v: sent after %v, want %v", want.pause, got, want.wait)
					}
				}
			})
		})
	}
}

func TestSession_theFirstSetWaitsForWhatIsNotKnownYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		cat.set(Cluster, "a", "1")
		s := cat.session(t, Config{Settle: 5 * time.Second})
		start := time.Now()
		ask(t, s, Cluster, "", "a", "b")
		if r, at, _ := s.next(time.Now()); r != nil || !at.Equal(start.Add(5*time.Second)) {
			t.Fatalf("got %v until %v, want nothing for 5 s", values(r), at.Sub(start))
		}
		time.Sleep(time.Second)
		cat.set(Cluster, "b", "1")
		r, _, _ := s.next(time.Now())
		if got := values(r); !slices.Equal(got, []string{"a=1", "b=1"}) {
			t.Errorf("got %v, want both", got)
		}

		s = cat.session(t, Config{Settle: 5 * time.Second})
		ask(t, s, Cluster, "", "a", "c")
		time.Sleep(5 * time.Second)
		r, _, _ = s.next(time.Now())
		if got := values(r); !slices.Equal(got, []string{"a=1"}) {
			t.Errorf("after the wait: got %v, want what is known", got)
		}
	})
}

func TestSession_whoComesBackWaitsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		cat.set(Cluster, "a", "1")
		s := cat.session(t, Config{Settle: 5 * time.Second, Resume: time.Minute})
		start := time.Now()
		if err := s.request(&request{DiscoveryRequest: discoveryv3.DiscoveryRequest{
			TypeUrl: Cluster.TypeURL(), VersionInfo: "of another process", ResourceNames: []string{"a", "b"},
		}}); err != nil {
			t.Fatal(err)
		}
		if r, at, _ := s.next(time.Now()); r != nil || !at.Equal(start.Add(time.Minute)) {
			t.Errorf("got %v until %v, want nothing for a minute: the client would delete b", values(r), at.Sub(start))
		}
	})
}

func TestSession_patienceEndsOnlyWhenThereIsMoreToSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		cat.set(Endpoints, "a", "1")
		s := cat.session(t, Config{Slow: 45 * time.Second})
		ask(t, s, Endpoints, "", "a")
		if r, _, _ := s.next(time.Now()); r == nil {
			t.Fatal("got no response")
		}
		time.Sleep(time.Hour)
		if _, at, err := s.next(time.Now()); err != nil || !at.IsZero() {
			t.Errorf("nothing to say: got %v, %v", at, err)
		}
		cat.set(Endpoints, "a", "2")
		time.Sleep(44 * time.Second)
		if _, _, err := s.next(time.Now()); err != nil {
			t.Errorf("after 44 s: got %v, want patience", err)
		}
		time.Sleep(time.Second)
		if _, _, err := s.next(time.Now()); err == nil {
			t.Error("after 45 s: got nil, want an end")
		}
	})
}

func TestSession_aLargeSetOfEndpointsIsSplit(t *testing.T) {
	cat := newTables()
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint("svc-", i))
		cat.set(Endpoints, names[i], strings.Repeat("1", 100))
	}
	s := cat.session(t, Config{Limits: Limits{ResponseBytes: 1000}})
	ask(t, s, Endpoints, "", names...)
	seen, responses := map[string]bool{}, 0
	for {
		r, _, _ := s.next(time.Now())
		if r == nil {
			break
		}
		responses++
		if r.size > 1300 {
			t.Fatalf("got %d bytes, want about 1000", r.size)
		}
		for _, v := range values(r) {
			seen[v] = true
		}
		ask(t, s, Endpoints, r.nonce, names...)
	}
	if len(seen) != 100 || responses < 10 {
		t.Errorf("got %d of 100 in %d responses", len(seen), responses)
	}
}

func TestResponse_isTheMessage(t *testing.T) {
	r := &response{kind: Cluster, version: "v", nonce: "n"}
	r.add(&anypb.Any{TypeUrl: Cluster.TypeURL(), Value: []byte("one")})
	r.add(&anypb.Any{TypeUrl: Cluster.TypeURL()})
	want := &discoveryv3.DiscoveryResponse{VersionInfo: "v", Nonce: "n", TypeUrl: Cluster.TypeURL(), Resources: r.bodies}
	var got discoveryv3.DiscoveryResponse
	if err := proto.Unmarshal(r.buffers().Materialize(), &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, want) {
		t.Errorf("got %v, want %v", &got, want)
	}
}

// FuzzSession lets a client and a catalog do what they like, in any order.
func FuzzSession(f *testing.F) {
	fuzzWalk(f, 1, func(t *testing.T, rnd *rand.Rand, cat *tables, steps uint8) {
		w := &walk{t: t, rnd: rnd, cat: cat, s: cat.session(t, Config{}), refused: map[string]bool{}, nonces: []string{"", "made up"}}
		for range steps {
			w.step()
		}
		w.s.close()
	})
}

// fuzzWalk has a client walk at random, each time another way, and holds that it leaves no
// watch behind.
func fuzzWalk(f *testing.F, form uint64, walk func(t *testing.T, rnd *rand.Rand, cat *tables, steps uint8)) {
	f.Helper()
	for seed := range uint64(64) {
		f.Add(seed, uint8(200))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		cat := newTables()
		walk(t, rand.New(rand.NewPCG(seed, form)), cat, steps)
		for k, ws := range cat.watchers {
			if len(ws) > 0 {
				t.Fatalf("%d watches of %v are left", len(ws), k)
			}
		}
	})
}

// walk is a client that answers at random.
type walk struct {
	t       *testing.T
	rnd     *rand.Rand
	cat     *tables
	s       *session
	last    [kinds]*response
	wants   [kinds][]string
	asked   [kinds]bool
	refused map[string]bool // by name, while subscribed
	nonces  []string
	lists   [kinds]listing
}

var walkNames = []string{"a", "b", "a.b", "c:80", All}

func (w *walk) step() {
	k := Kind(w.rnd.IntN(int(kinds)))
	switch w.rnd.IntN(5) {
	case 0:
		version := []string{"", "1", "2", "3"}[w.rnd.IntN(4)]
		w.cat.set(k, walkNames[w.rnd.IntN(4)], version)
	case 1:
		w.subscribe(k)
	case 2, 3:
		w.receive()
	default:
		w.answer(k)
	}
	w.check()
}

func (w *walk) subscribe(k Kind) {
	var names []string
	for _, n := range walkNames {
		if w.rnd.IntN(3) == 0 {
			names = append(names, n)
		}
	}
	w.request(k, w.nonces[w.rnd.IntN(len(w.nonces))], "", names)
}

func (w *walk) request(k Kind, nonce, why string, names []string) {
	req := &request{last: &w.lists}
	msg := &discoveryv3.DiscoveryRequest{TypeUrl: k.TypeURL(), ResponseNonce: nonce, ResourceNames: names}
	if why != "" {
		msg.ErrorDetail = &statuspb.Status{Message: why}
	}
	b, err := proto.Marshal(msg)
	if err == nil {
		err = req.read(b)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.s.request(req); err != nil {
		w.t.Fatal(err)
	}
	w.asked[k] = w.asked[k] || len(names) > 0
	w.wants[k] = names
	for key := range w.refused { // a new subscription may hear again of what it refused
		if name, _, _ := strings.Cut(strings.TrimPrefix(key, k.String()+" "), "="); strings.HasPrefix(key, k.String()+" ") && !slices.Contains(names, name) {
			delete(w.refused, key)
		}
	}
}

func (w *walk) receive() {
	r, _, err := w.s.next(time.Now().Add(time.Second))
	if err != nil {
		w.t.Fatal(err)
	}
	if r == nil {
		return
	}
	for _, v := range values(r) {
		name, _, _ := strings.Cut(v, "=")
		all := slices.Contains(w.wants[r.kind], All) || !w.asked[r.kind]
		if !slices.Contains(w.wants[r.kind], name) && !all {
			w.t.Fatalf("%s %s was sent, only %v are subscribed to", r.kind, v, w.wants[r.kind])
		}
		if w.refused[r.kind.String()+" "+v] {
			w.t.Fatalf("%s %s was refused and is sent again", r.kind, v)
		}
	}
	w.last[r.kind] = r
	w.nonces = append(w.nonces, r.nonce)
}

func (w *walk) answer(k Kind) {
	r := w.last[k]
	if r == nil {
		return
	}
	w.last[k] = nil
	why := ""
	if vs := values(r); w.rnd.IntN(2) == 0 && len(vs) > 0 {
		v := vs[w.rnd.IntN(len(vs))]
		name, _, _ := strings.Cut(v, "=")
		why = fmt.Sprintf("resource %q: no", name)
		if slices.Contains(w.wants[k], name) && w.s.subs[k].out != nil && w.s.subs[k].out.nonce == r.nonce && w.s.subs[k].has(name) {
			w.refused[k.String()+" "+v] = true
		}
	}
	w.request(k, r.nonce, why, w.wants[k])
}

// has reports whether the client has been sent what it calls so.
func (u *subscription) has(name string) bool {
	at, found := u.find(name)
	return found && u.entries[at].sent() != nil
}

// check holds what must be so after every step.
func (w *walk) check() { consistent(w.t, w.s) }

// consistent holds that what a session counts is what it has.
func consistent(t *testing.T, s *session) {
	t.Helper()
	for k, u := range s.subs {
		if u == nil {
			continue
		}
		waiting, sum := 0, uint64(0)
		for i, e := range u.entries {
			name := e.name.Value()
			if e.is&gone != 0 || i > 0 && u.entries[i-1].name.Value() >= name {
				t.Fatalf("%s %s is gone and kept, or out of order", Kind(k), name)
			}
			if e.is&(named|told) == named {
				waiting++
			}
			if e.sent() != nil {
				sum += digest(name, e.sent().version)
			}
			if len(e.rejected()) > keptRejections {
				t.Fatalf("%d rejections are kept", len(e.rejected()))
			}
		}
		if waiting != u.waiting || sum != u.sum {
			t.Fatalf("%s: got waiting %d and sum %x, want %d and %x", Kind(k), u.waiting, u.sum, waiting, sum)
		}
	}
}

// FuzzRequest takes any bytes as a stream's first request.
func FuzzRequest(f *testing.F) {
	for _, m := range []*discoveryv3.DiscoveryRequest{
		{}, {TypeUrl: Cluster.TypeURL()}, {TypeUrl: Listener.TypeURL(), ResourceNames: []string{"", "a", "a", All}, Node: &corev3.Node{Id: "n"}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, m := range huge() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		req := &request{last: &[kinds]listing{}}
		var want discoveryv3.DiscoveryRequest
		wrong := proto.Unmarshal(b, &want)
		if err := req.read(b); (err == nil) != (wrong == nil) {
			t.Fatalf("read: got %v, proto has %v", err, wrong)
		} else if err != nil {
			return
		}
		if !slices.Equal(req.GetResourceNames(), want.GetResourceNames()) || req.GetTypeUrl() != want.GetTypeUrl() {
			t.Fatalf("got %v, want %v", &req.DiscoveryRequest, &want)
		}
		cat := newTables()
		s := cat.session(t, Config{})
		if n, err := nodeOf(req.GetNode(), Peer{}, s.cfg.Limits); err == nil {
			s.node = n
		}
		served := want.GetTypeUrl()
		_, known := KindOf(served)
		for range 2 {
			err := s.request(req)
			if beyond := known && tooMuch(want.GetResourceNames(), s.cfg.Limits); beyond != (err != nil) {
				t.Fatalf("got %v of %d names of %s, beyond the bounds: %v", err, len(want.GetResourceNames()), served, beyond)
			}
			if err != nil {
				return
			}
			if r, _, err := s.next(time.Now().Add(time.Minute)); err != nil || r != nil && len(r.bodies) > 0 {
				t.Fatalf("got %v, %v of an empty catalog", values(r), err)
			}
		}
		s.close()
	})
}

// huge are requests beyond the bounds: in number of names, in one name, in the node.
func huge() []*discoveryv3.DiscoveryRequest {
	many := make([]string, DefaultNames+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	long := strings.Repeat("x", DefaultNameBytes+1)
	return []*discoveryv3.DiscoveryRequest{
		{TypeUrl: Cluster.TypeURL(), ResourceNames: many},
		{TypeUrl: Endpoints.TypeURL(), ResourceNames: []string{"a", long}},
		{TypeUrl: Listener.TypeURL(), Node: &corev3.Node{Id: strings.Repeat(long, DefaultNodeBytes/DefaultNameBytes)}},
	}
}

// tooMuch reports whether a list of names is beyond the bounds.
func tooMuch(names []string, lim Limits) bool {
	return len(names) > lim.Names || slices.ContainsFunc(names, func(n string) bool { return len(n) > lim.NameBytes })
}

// TestRequest_hugeOnesAreRefused: what FuzzRequest begins with is beyond a bound each, and refused.
func TestRequest_hugeOnesAreRefused(t *testing.T) {
	for _, m := range huge() {
		s := newTables().session(t, Config{})
		_, node := nodeOf(m.GetNode(), Peer{}, s.cfg.Limits)
		if m.GetNode() == nil {
			node = nil
		}
		if err := s.request(&request{DiscoveryRequest: discoveryv3.DiscoveryRequest{TypeUrl: m.GetTypeUrl(), ResourceNames: m.GetResourceNames()}}); err == nil && node == nil {
			t.Errorf("a request of %d bytes for %s is taken", proto.Size(m), m.GetTypeUrl())
		}
	}
}

// TestNodeOf_bounds: metadata counts, to the byte.
func TestNodeOf_bounds(t *testing.T) {
	lim, err := Limits{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	node := func(size int) *corev3.Node {
		n := &corev3.Node{Id: "n", Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewStringValue("")}}}
		for text := ""; proto.Size(n) < size; {
			text += strings.Repeat("x", size-proto.Size(n))
			n.Metadata.Fields["x"] = structpb.NewStringValue(text)
		}
		return n
	}
	if _, err := nodeOf(node(lim.NodeBytes-10), Peer{}, lim); err != nil {
		t.Errorf("within the bound: %v", err)
	}
	if _, err := nodeOf(node(lim.NodeBytes+1), Peer{}, lim); err == nil || !strings.Contains(err.Error(), "at most 65536 are allowed") {
		t.Errorf("beyond the bound: got %v, want that at most 65536 bytes are allowed", err)
	}
}

// There is one entry for each name of each stream.
func TestEntry_isSmall(t *testing.T) {
	if got := unsafe.Sizeof(entry{}); got > 48 {
		t.Errorf("an entry takes %d bytes, want at most 48", got)
	}
}
