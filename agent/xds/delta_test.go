// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// incremental is a client of the incremental form that keeps what it is told.
type incremental struct {
	tb    testing.TB
	s     *session
	k     Kind
	named map[string]bool
	all   bool
	has   map[string]string // versions, by name
	begun bool
}

func newIncremental(tb testing.TB, s *session, k Kind) *incremental {
	return &incremental{tb: tb, s: s, k: k, named: map[string]bool{}, has: map[string]string{}}
}

func (c *incremental) send(m *discoveryv3.DeltaDiscoveryRequest) {
	c.tb.Helper()
	m.TypeUrl = c.k.TypeURL()
	b, err := proto.Marshal(m)
	if err != nil {
		c.tb.Fatal(err)
	}
	req := &change{}
	if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, req); err != nil {
		c.tb.Fatal(err)
	}
	if err := c.s.change(req); err != nil {
		c.tb.Fatal(err)
	}
	if !c.begun && len(m.GetResourceNamesSubscribe()) == 0 {
		c.all = c.k.full()
	}
	c.begun = true
}

// ask begins and ends subscriptions.
func (c *incremental) ask(more, less []string) {
	c.tb.Helper()
	c.send(&discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: more, ResourceNamesUnsubscribe: less})
	for _, n := range less {
		delete(c.named, n)
		if n == All {
			c.all = false
		}
	}
	for _, n := range more {
		if n == All {
			c.all = c.k.full()
		} else {
			c.named[n] = true
		}
	}
	if !c.all {
		maps.DeleteFunc(c.has, func(n, _ string) bool { return !c.named[n] })
	}
}

// next is the next response, as it is read from the wire; nil if there is none.
func (c *incremental) next(now time.Time) *discoveryv3.DeltaDiscoveryResponse {
	c.tb.Helper()
	r, _, err := c.s.next(now)
	if err != nil {
		c.tb.Fatal(err)
	}
	if r == nil {
		return nil
	}
	m := &discoveryv3.DeltaDiscoveryResponse{}
	if err := proto.Unmarshal(r.buffers().Materialize(), m); err != nil {
		c.tb.Fatal(err)
	}
	if m.GetTypeUrl() != c.k.TypeURL() {
		c.tb.Fatalf("got type %s, want %s", m.GetTypeUrl(), c.k.TypeURL())
	}
	for _, r := range m.GetResources() {
		if want := r.GetName() + "=" + r.GetVersion(); string(r.GetResource().GetValue()) != want {
			c.tb.Fatalf("got body %q of %s, want %q", r.GetResource().GetValue(), r.GetName(), want)
		}
		if !c.all && !c.named[r.GetName()] {
			c.tb.Fatalf("%s was sent, and is not subscribed to", r.GetName())
		}
		if slices.Contains(m.GetRemovedResources(), r.GetName()) {
			c.tb.Fatalf("%s is sent and removed at once", r.GetName())
		}
	}
	return m
}

// take applies m but for the resources that the client refuses, and answers.
func (c *incremental) take(m *discoveryv3.DeltaDiscoveryResponse, refuses ...string) {
	c.tb.Helper()
	for _, r := range m.GetResources() {
		if (c.all || c.named[r.GetName()]) && !slices.Contains(refuses, r.GetName()) {
			c.has[r.GetName()] = r.GetVersion()
		}
	}
	for _, n := range m.GetRemovedResources() {
		delete(c.has, n)
	}
	answer := &discoveryv3.DeltaDiscoveryRequest{ResponseNonce: m.GetNonce()}
	if len(refuses) > 0 {
		answer.ErrorDetail = &statuspb.Status{Message: fmt.Sprintf("resources %q: no", refuses)}
	}
	c.send(answer)
}

// said are the names and versions of a response, and after a minus what it removes.
func said(m *discoveryv3.DeltaDiscoveryResponse) []string {
	var out []string
	for _, r := range m.GetResources() {
		out = append(out, r.GetName()+"="+r.GetVersion())
	}
	for _, n := range m.GetRemovedResources() {
		out = append(out, "-"+n)
	}
	slices.Sort(out)
	return out
}

// hears holds that the next response says just this, and accepts it; nothing: that
// there is none.
func (c *incremental) hears(want ...string) {
	c.tb.Helper()
	m := c.next(time.Now())
	slices.Sort(want)
	if got := said(m); !slices.Equal(got, want) || (m == nil) != (len(want) == 0) {
		c.tb.Fatalf("got %q, want %q", got, want)
	}
	if m != nil {
		c.take(m)
	}
}

func TestDelta_tellsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for k := range kinds {
			cat := newTables()
			cat.set(k, "a", "1")
			cat.set(k, "b", "1")
			c := newIncremental(t, cat.session(t, Config{}), k)
			pause := func() { time.Sleep(DefaultDebounce) }

			c.ask([]string{"a", "none"}, nil)
			c.hears("a=1") // of "none" the catalog has not spoken
			cat.set(k, "none", "")
			c.hears("-none")
			c.ask([]string{"b"}, nil)
			c.hears("b=1")
			cat.set(k, "b", "2")
			c.hears()
			pause()
			c.hears("b=2")
			c.ask([]string{"a"}, nil) // it may have dropped it
			c.hears("a=1")
			cat.set(k, "a", "")
			pause()
			c.hears("-a")
			cat.set(k, "a", "1")
			pause()
			c.hears("a=1")
			c.ask(nil, []string{"a"})
			cat.set(k, "a", "2")
			pause()
			c.hears()
			c.ask([]string{"a"}, []string{"a"}) // both at once: it stays
			c.hears("a=2")
			c.s.close()
		}
	})
}

// TestDelta_givenUpByName: what is none of all is taken from the client at once.
func TestDelta_givenUpByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		c := newIncremental(t, cat.session(t, Config{}), Cluster)
		c.ask([]string{"x"}, nil)
		cat.set(Cluster, "x", "1")
		c.hears("x=1")
		cat.watchers[pastKey{Cluster, All}] = nil
		delete(cat.known, pastKey{Cluster, "x"}) // known by its name alone from here on
		c.ask([]string{All}, nil)
		c.ask(nil, []string{"x"})
		c.hears("-x")
		for range 100 {
			c.ask([]string{"x"}, []string{All})
			c.ask([]string{All}, []string{"x"})
		}
		if n := len(c.s.subs[Cluster].parted); n > 1 {
			t.Errorf("%d farewells are kept of one name", n)
		}
	})
}

func TestDelta_all(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, begin := range [][]string{nil, {All}} {
			cat := newTables()
			cat.set(Cluster, "a", "1")
			c := newIncremental(t, cat.session(t, Config{}), Cluster)
			pause := func() { time.Sleep(DefaultDebounce) }
			c.ask(begin, nil)
			c.hears("a=1")
			cat.set(Cluster, "b", "1")
			pause()
			c.hears("b=1")
			cat.set(Cluster, "other", "")
			c.ask([]string{"b", "other"}, nil)
			c.hears("b=1", "-other")
			// Given up by name and kept by the subscription to all: the client asks how it is.
			c.ask(nil, []string{"b"})
			c.hears("b=1")
			cat.set(Cluster, "b", "")
			pause()
			c.hears("-b")
			c.ask([]string{"a"}, []string{All})
			c.hears("a=1")
			cat.set(Cluster, "c", "1")
			pause()
			c.hears()
			c.s.close()
		}
		// Who asks for all of nothing is answered: it waits for that. Of routes and endpoints there
		// is no such thing.
		for k := range kinds {
			c := newIncremental(t, newTables().session(t, Config{}), k)
			c.ask(nil, nil)
			if m := c.next(time.Now()); (m != nil) != k.full() || len(said(m)) > 0 {
				t.Errorf("%s: got %v", k, m)
			}
		}
	})
}

// TestDelta_whoComesBack: what it has is not sent again, what it has no more is said, and of
// what is not known yet nothing is taken from it for ten minutes.
func TestDelta_whoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		for _, n := range []string{"same", "newer"} {
			cat.set(Cluster, n, "2")
		}
		cat.set(Cluster, "gone", "")
		had := map[string]string{"same": "2", "newer": "1", "gone": "1", "unknown": "1", "unasked": "1"}
		back := func(names ...string) *incremental {
			c := newIncremental(t, cat.session(t, Config{}), Cluster)
			c.send(&discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: names, InitialResourceVersions: had})
			for _, n := range names {
				c.named[n] = true
			}
			return c
		}
		c := back("same", "newer", "gone", "unknown")
		c.hears("newer=2", "-gone")
		time.Sleep(DefaultResume)
		c.hears()
		cat.set(Cluster, "unknown", "1")
		time.Sleep(DefaultDebounce)
		c.hears()
		c.ask([]string{"same", "unknown"}, nil)
		c.hears("same=2", "unknown=1")
		if st := c.s.snapshot().Resources; len(st) != 4 || st[2].State != Accepted || st[2].Body == nil {
			t.Errorf("got %+v of what the client said that it has", st)
		}

		delete(cat.known, pastKey{Cluster, "unknown"})
		c = back()
		c.hears("newer=2", "-gone")
		time.Sleep(DefaultResume - time.Second)
		c.hears()
		if _, at, _ := c.s.next(time.Now()); time.Until(at) != time.Second {
			t.Errorf("to be looked at again in %v, want a second", time.Until(at))
		}
		time.Sleep(time.Second)
		c.hears("-unknown", "-unasked")
		c.hears()
	})
}

func TestDelta_refusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cat := newTables()
		cat.set(Endpoints, "a", "1")
		cat.set(Endpoints, "b", "1")
		c := newIncremental(t, cat.session(t, Config{}), Endpoints)
		c.ask([]string{"a", "b"}, nil)
		c.take(c.next(time.Now()), "b")
		c.hears() // what was refused is not sent again
		cat.set(Endpoints, "b", "2")
		time.Sleep(DefaultDebounce)
		c.hears("b=2")
		cat.set(Endpoints, "b", "3")
		time.Sleep(DefaultDebounce)
		c.take(c.next(time.Now()), "b")
		c.ask([]string{"b"}, nil) // it has, and gets, what it accepted
		c.hears("b=2")

		// A refusal that names nothing: what was new comes one by one.
		cat.set(Endpoints, "a", "4")
		cat.set(Endpoints, "b", "4")
		time.Sleep(DefaultDebounce)
		m := c.next(time.Now())
		c.send(&discoveryv3.DeltaDiscoveryRequest{ResponseNonce: m.GetNonce(), ErrorDetail: &statuspb.Status{Message: "no"}})
		c.hears("a=4")
		m = c.next(time.Now())
		if got := said(m); !slices.Equal(got, []string{"b=4"}) {
			t.Fatalf("got %v, want b alone", got)
		}
		c.take(m, "b")
		c.hears()
		if got := c.s.tally().Rejected[Endpoints]; got != 1 {
			t.Errorf("got %d rejected, want 1", got)
		}
	})
}

func TestDelta_bounds(t *testing.T) {
	many := make([]string, DefaultNames+1)
	had := map[string]string{}
	for i := range many {
		many[i] = fmt.Sprint(i)
		had[many[i]] = "1"
	}
	long := strings.Repeat("x", DefaultNameBytes+1)
	for name, ms := range map[string][]*discoveryv3.DeltaDiscoveryRequest{
		"names":           {{ResourceNamesSubscribe: many}},
		"names in turn":   {{ResourceNamesSubscribe: many[:DefaultNames]}, {ResourceNamesSubscribe: many[DefaultNames:]}},
		"names given up":  {{ResourceNamesUnsubscribe: many}},
		"versions":        {{InitialResourceVersions: had}},
		"a long name":     {{ResourceNamesSubscribe: []string{long}}},
		"a long version":  {{InitialResourceVersions: map[string]string{"a": long}}},
		"a long one's":    {{InitialResourceVersions: map[string]string{long: "1"}}},
		"a long farewell": {{ResourceNamesUnsubscribe: []string{long}}},
	} {
		s := newTables().session(t, Config{})
		for i, m := range ms {
			m.TypeUrl = Endpoints.TypeURL()
			req := &change{}
			proto.Merge(&req.DeltaDiscoveryRequest, m)
			err := s.change(req)
			if last := i == len(ms)-1; last != (err != nil) {
				t.Errorf("%s: request %d: got %v", name, i, err)
			}
		}
		s.close()
	}
}

// TestResponse_isTheDeltaMessage: what is written by hand is what the library reads.
func TestResponse_isTheDeltaMessage(t *testing.T) {
	r := &response{kind: Cluster, version: "v", nonce: "n", delta: true}
	want := &discoveryv3.DeltaDiscoveryResponse{SystemVersionInfo: "v", Nonce: "n", TypeUrl: Cluster.TypeURL()}
	for name, body := range map[string]*anypb.Any{
		"one": {TypeUrl: Cluster.TypeURL(), Value: []byte("one")}, "empty": {TypeUrl: Cluster.TypeURL()},
		"": {}, "large": {TypeUrl: Cluster.TypeURL(), Value: make([]byte, 1<<16)},
	} {
		r.add(body)
		r.names, r.versions = append(r.names, name), append(r.versions, "of "+name)
		want.Resources = append(want.Resources, &discoveryv3.Resource{Name: name, Version: "of " + name, Resource: body})
	}
	for _, n := range []string{"x", "", "y"} {
		r.remove(n)
		want.RemovedResources = append(want.RemovedResources, n)
	}
	var got discoveryv3.DeltaDiscoveryResponse
	if err := proto.Unmarshal(r.buffers().Materialize(), &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, want) {
		t.Errorf("got %v, want %v", &got, want)
	}
}

// FuzzDelta lets a client of the incremental form and a catalog do what they like, in any
// order, over several streams: at the end the client has what the catalog has.
func FuzzDelta(f *testing.F) {
	fuzzWalk(f, 2, func(t *testing.T, rnd *rand.Rand, cat *tables, steps uint8) {
		w := &deltaWalk{t: t, rnd: rnd, cat: cat, past: &past{}}
		w.connect(Kind(rnd.IntN(int(kinds))), nil)
		for range steps {
			w.step()
		}
		w.settle()
		w.c.s.close()
	})
}

// deltaWalk is a client of the incremental form that answers at random.
type deltaWalk struct {
	t       *testing.T
	rnd     *rand.Rand
	cat     *tables
	past    *past
	c       *incremental
	out     *discoveryv3.DeltaDiscoveryResponse // not answered yet
	refused map[string]map[string]bool          // versions that may not come again, by name
	asked   map[string]bool                     // names of which the client is to be told whatever it has
}

func (w *deltaWalk) step() {
	k := w.c.k
	switch w.rnd.IntN(12) {
	case 0, 1, 2:
		w.cat.set(k, walkNames[w.rnd.IntN(4)], []string{"", "1", "2", "3"}[w.rnd.IntN(4)])
	case 3, 4:
		w.ask()
	case 5:
		if w.rnd.IntN(4) == 0 {
			w.connect(k, w.c)
		}
	case 6, 7, 8:
		w.receive(time.Second)
	default:
		w.answer()
	}
	consistent(w.t, w.c.s)
}

// connect begins a stream, of a client that was there before unless old is nil.
func (w *deltaWalk) connect(k Kind, old *incremental) {
	s := w.cat.session(w.t, Config{})
	s.past = w.past
	w.c, w.out = newIncremental(w.t, s, k), nil
	w.refused, w.asked = map[string]map[string]bool{}, map[string]bool{}
	if old == nil {
		return
	}
	old.s.close()
	w.c.has, w.c.named = old.has, old.named
	names := slices.Sorted(maps.Keys(old.named))
	if old.all && (len(names) > 0 || w.rnd.IntN(2) == 0) {
		names = append(names, All)
	}
	if !old.begun || len(names) == 0 && !old.all {
		w.c.has = map[string]string{}
		return // it asks when it needs something
	}
	w.c.all = old.all
	w.c.send(&discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: names, InitialResourceVersions: w.c.has})
}

func (w *deltaWalk) ask() {
	pick := func() (names []string) {
		for _, n := range walkNames {
			if w.rnd.IntN(4) == 0 {
				names = append(names, n)
			}
		}
		return names
	}
	more, less := pick(), pick()
	for _, n := range slices.Concat(more, less) {
		w.asked[n] = true
		delete(w.refused, n)
		if n == All {
			clear(w.refused)
		}
	}
	w.c.ask(more, less)
}

func (w *deltaWalk) receive(later time.Duration) bool {
	if w.out != nil {
		w.answer()
	}
	w.out = w.c.next(time.Now().Add(later))
	for _, r := range w.out.GetResources() {
		if w.refused[r.GetName()][r.GetVersion()] && !w.asked[r.GetName()] {
			w.t.Fatalf("%s=%s was refused and is sent again", r.GetName(), r.GetVersion())
		}
		delete(w.asked, r.GetName())
	}
	return w.out != nil
}

func (w *deltaWalk) answer() {
	if w.out == nil {
		return
	}
	m := w.out
	w.out = nil
	var refuses []string
	for _, r := range m.GetResources() {
		n := r.GetName()
		if w.rnd.IntN(4) == 0 && (w.c.all || w.c.named[n]) && w.c.has[n] != r.GetVersion() { // what it has is good
			refuses = append(refuses, n)
		}
	}
	w.c.take(m, refuses...)
	for _, r := range m.GetResources() {
		n := r.GetName()
		if !slices.Contains(refuses, n) {
			delete(w.refused[n], r.GetVersion())
		} else if w.knows(n, r.GetVersion()) {
			if w.refused[n] == nil {
				w.refused[n] = map[string]bool{}
			}
			w.refused[n][r.GetVersion()] = true
		}
	}
}

// knows reports whether the session holds a version against the name: it does not when the
// client gave the name up before it answered.
func (w *deltaWalk) knows(n, version string) bool {
	u := w.c.s.subs[w.c.k]
	at, found := u.find(n)
	return found && u.entries[at].refusal(version) != nil
}

// settle accepts all that comes and holds that the client has what the catalog has, but for
// what it refused.
func (w *deltaWalk) settle() {
	if w.out != nil {
		w.c.take(w.out)
		w.out = nil
	}
	for range 100 {
		m := w.c.next(time.Now().Add(DefaultResume + time.Minute))
		if m == nil {
			break
		}
		w.c.take(m)
	}
	for _, n := range walkNames[:4] {
		r, told := w.cat.known[pastKey{w.c.k, n}]
		got := w.c.has[n]
		switch {
		case !w.c.all && !w.c.named[n], !told && w.c.named[n]:
		case got == r.Version:
		case w.knows(n, r.Version):
		default:
			w.t.Fatalf("%s %s: the client has %q, the catalog %q (told: %v)", w.c.k, n, got, r.Version, told)
		}
	}
}
