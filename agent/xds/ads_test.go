// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"bytes"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent/xds"
)

func cluster(name string) xds.Resource { return clusterOf(name, clusterv3.Cluster_ROUND_ROBIN) }

func TestADS_clustersAreSentAsAWholeAndEndpointsAlone(t *testing.T) {
	cat := newScript()
	a, b := cluster("a"), cluster("b")
	ea, eb := endpointsOf("a", "127.0.0.1:1"), endpointsOf("b", "127.0.0.1:2")
	cat.set(a, b, ea, eb)
	_, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Cluster, "a", "b")
	r.ack(r.wants(a, b), "a", "b")
	r.ask(xds.Endpoints, "a", "b")
	r.ack(r.wants(ea, eb), "a", "b")

	b2 := clusterOf("b", clusterv3.Cluster_LEAST_REQUEST)
	cat.set(b2)
	r.ack(r.wants(a, b2), "a", "b")
	ea2 := endpointsOf("a", "127.0.0.1:3")
	cat.set(ea2)
	r.ack(r.wants(ea2), "a", "b")
	cat.set(gone(xds.Cluster, "a"))
	r.ack(r.wants(b2), "a", "b")
	cat.set(gone(xds.Endpoints, "a"))
	r.silent(cat)
}

func TestADS_whatIsSubscribedToAgainIsSentAgain(t *testing.T) {
	cat := newScript()
	a, b := cluster("a"), cluster("b")
	ea, eb := endpointsOf("a", "127.0.0.1:1"), endpointsOf("b", "127.0.0.1:2")
	cat.set(a, b, ea, eb)
	_, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Endpoints, "a", "b")
	m := r.wants(ea, eb)
	r.ack(m, "a", "b")
	r.ack(m, "b")
	r.ack(m, "b", "a")
	r.ack(r.wants(ea), "a", "b")

	r.ask(xds.Cluster, "a", "b")
	m = r.wants(a, b)
	r.ack(m, "a", "b")
	r.ack(m)
	r.silent(cat)
	r.ack(m, "a")
	r.ack(r.wants(a), "a")
}

func TestScenarioX10_staleNonce(t *testing.T) {
	cat := newScript()
	e := endpointsOf("a", "127.0.0.1:1")
	b := endpointsOf("b", "127.0.0.1:2")
	cat.set(e, b)
	s, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.send(xds.Endpoints, "17", "of another process", "", "a")
	first := r.wants(e)
	r.send(xds.Endpoints, "", "made up", "resource \"a\": bad", "a")
	r.silent(cat)
	if st := statusOf(s, "n", xds.Endpoints, "a"); st.State != xds.Sent {
		t.Errorf("after a stale rejection: got %s, want %s", st.State, xds.Sent)
	}
	r.send(xds.Endpoints, "", "made up", "", "a", "b")
	r.ack(first, "a", "b")
	second := r.wants(b)
	r.ack(first, "a", "b") // twice the same: the second is stale
	if st := statusOf(s, "n", xds.Endpoints, "b"); st.State != xds.Sent {
		t.Errorf("before its answer: got %s, want %s", st.State, xds.Sent)
	}
	r.ack(second, "a", "b")
	eventually(t, "accepted", func() bool { return statusOf(s, "n", xds.Endpoints, "b").State == xds.Accepted })
}

func TestADS_nothingIsSentBeforeTheAnswerToTheLast(t *testing.T) {
	cat := newScript()
	cat.set(endpointsOf("a", "127.0.0.1:1"))
	_, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Endpoints, "a")
	m := r.next()
	cat.set(endpointsOf("a", "127.0.0.1:2"))
	latest := endpointsOf("a", "127.0.0.1:3")
	cat.set(latest)
	r.silent(cat)
	r.ack(m, "a")
	r.ack(r.wants(latest), "a")
}

func TestADS_theNamedResourceIsRejectedAndTheOthersAreTaken(t *testing.T) {
	cat := newScript()
	a, ab := cluster("a"), cluster("a.b")
	cat.set(a, ab)
	s, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Cluster, "a", "a.b")
	r.nack(r.wants(a, ab), `error parsing "Cluster" response: resource "a.b": no`, "a", "a.b")
	eventually(t, "rejected", func() bool { return statusOf(s, "n", xds.Cluster, "a.b").State == xds.Rejected })
	if st := statusOf(s, "n", xds.Cluster, "a"); st.State != xds.Accepted {
		t.Errorf("the other: got %s, want %s", st.State, xds.Accepted)
	}
	r.silent(cat)
	a2 := clusterOf("a", clusterv3.Cluster_LEAST_REQUEST)
	cat.set(a2)
	r.ack(r.wants(a2), "a", "a.b") // the rejected one is left out: the client never had it
	good := clusterOf("a.b", clusterv3.Cluster_LEAST_REQUEST)
	cat.set(good)
	r.ack(r.wants(a2, good), "a", "a.b")
	cat.set(ab) // back to what was rejected
	r.silent(cat)
	if st := statusOf(s, "n", xds.Cluster, "a.b"); st.Version != good.Version || st.State != xds.Rejected {
		t.Errorf("got %s of version %s, want the accepted version to hold", st.State, st.Version)
	}
}

func TestADS_aRejectionThatNamesNothingIsNarrowedDown(t *testing.T) {
	for _, k := range []xds.Kind{xds.Cluster, xds.Endpoints} {
		t.Run(k.String(), func(t *testing.T) {
			cat := newScript()
			names := []string{"a", "b", "c"}
			known := map[string]xds.Resource{}
			for _, n := range names {
				known[n] = cluster(n)
				if k == xds.Endpoints {
					known[n] = endpointsOf(n, "127.0.0.1:1")
				}
				cat.set(known[n])
			}
			s, addr := serve(t, xds.Config{Catalog: cat})
			r := dial(t, addr, "n")
			r.ask(k, names...)
			r.nack(r.wants(known["a"], known["b"], known["c"]), "something is wrong", names...)
			settled := func() bool {
				return statusOf(s, "n", k, "a").State == xds.Accepted && statusOf(s, "n", k, "b").State == xds.Rejected &&
					statusOf(s, "n", k, "c").State == xds.Accepted
			}
			for range 3 {
				m := r.next()
				bad := false
				for _, b := range m.GetResources() {
					bad = bad || bytes.Equal(b.GetValue(), known["b"].Body.GetValue())
				}
				if bad {
					r.nack(m, "something is wrong", names...)
				} else {
					r.ack(m, names...)
				}
			}
			eventually(t, "one rejected, two accepted", settled)
			r.silent(cat)
		})
	}
}

func TestADS_aClientThatComesBackIsSentWhatItAccepted(t *testing.T) {
	cat := newScript()
	good, bad := cluster("a"), clusterOf("a", clusterv3.Cluster_MAGLEV)
	cat.set(good)
	s, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Cluster, "a")
	r.ack(r.wants(good), "a")
	cat.set(bad)
	r.nack(r.wants(bad), "resource \"a\": no", "a")
	eventually(t, "rejected", func() bool { return statusOf(s, "n", xds.Cluster, "a").State == xds.Rejected })
	r.close()
	eventually(t, "gone", func() bool { return len(s.Clients()) == 0 })
	if n := cat.watching(); n != 0 {
		t.Errorf("after the stream: got %d watches of the catalog, want 0", n)
	}

	again := dial(t, addr, "n")
	again.ask(xds.Cluster, "a")
	again.ack(again.wants(good), "a")
	again.silent(cat)
	other := dial(t, addr, "another node")
	other.ask(xds.Cluster, "a")
	other.wants(bad)
}

func TestScenarioX10_restartSaysTheSame(t *testing.T) {
	var versions []string
	for range 2 {
		cat := newScript()
		a, b := cluster("a"), cluster("b")
		cat.set(a, b)
		_, addr := serve(t, xds.Config{Catalog: cat})
		r := dial(t, addr, "n")
		r.ask(xds.Cluster, "b", "a")
		versions = append(versions, r.wants(a, b).GetVersionInfo())
	}
	if versions[0] != versions[1] || versions[0] == "" {
		t.Errorf("got versions %q, want one", versions)
	}
}

func TestADS_nothingIsSaidBeforeTheFirstSync(t *testing.T) { // X2
	cat := newScript()
	cat.ready = make(chan struct{})
	s, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Cluster, "a")
	eventually(t, "known", func() bool { return len(s.Clients()) == 1 })
	if n := cat.watching(); n != 0 {
		t.Errorf("got %d watches before the catalog is ready, want 0", n)
	}
	a := cluster("a")
	cat.set(a)
	close(cat.ready)
	r.wants(a)
}

func TestScenarioX14_unanswerableThenAnswerable(t *testing.T) {
	cat := newScript()
	_, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Listener, "a")
	r.ask(xds.Endpoints, "a")
	e, l := endpointsOf("a", "127.0.0.1:1"), listenerOf("a", "a")
	r.silent(cat)
	cat.set(e)
	r.ack(r.wants(e), "a")
	cat.set(l)
	r.ack(r.wants(l), "a")
}

func TestADS_anEmptyListOrAStarMeansAll(t *testing.T) {
	cat := newScript()
	a, b := cluster("a"), cluster("b")
	cat.set(a)
	_, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Cluster)
	r.ack(r.wants(a))
	cat.set(b)
	r.ack(r.wants(a, b))
	cat.set(gone(xds.Cluster, "a"))
	m := r.wants(b)
	r.ack(m, "b")
	r.ack(m, "b", "*")
	r.silent(cat)
	cat.set(a)
	r.ack(r.wants(a, b), "b", "*")
}

func TestADS_aTypeThatIsNotServedIsIgnored(t *testing.T) {
	cat := newScript()
	_, addr := serve(t, xds.Config{Catalog: cat})
	r := dial(t, addr, "n")
	r.ask(xds.Kind(99), "a")
	r.silent(cat)
}

func TestScenarioX15_beyondTheLimits(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	many := make([]string, 100_000)
	for i := range many {
		many[i] = "name"
	}
	for _, c := range []struct {
		name, node string
		names      []string
		want       codes.Code
	}{
		{"no node", "", []string{"a"}, codes.InvalidArgument},
		{"node id of 1 MiB", long, []string{"a"}, codes.InvalidArgument},
		{"100,000 names", "n", many, codes.ResourceExhausted},
		{"a name of 1 MiB", "n", []string{long}, codes.InvalidArgument},
		{"a request of 8 MiB", "n", []string{long, long, long, long, long, long, long, long}, codes.ResourceExhausted},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := newScript()
			_, addr := serve(t, xds.Config{Catalog: cat})
			r := dial(t, addr, c.node)
			before := heap()
			r.ask(xds.Cluster, c.names...)
			if err := r.ended(); status.Code(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if used := heap() - before; used > 32<<20 {
				t.Errorf("got %d bytes more, want less than 32 MiB", used)
			}
		})
	}
}
