// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/enmesh-go/enmesh/discovery"
)

// balanced is a destination rule for echo.
func balanced(trafficPolicy string) string {
	return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec: {host: echo, trafficPolicy: {` + trafficPolicy + `}}
`
}

const inTurn = "loadBalancer: {simple: ROUND_ROBIN}"

// three is an agent with three instances.
func three(t *testing.T, documents string) (*plane, []*backend) {
	t.Helper()
	p := run(t)
	p.policy(documents)
	list := []*backend{serve(t, "one"), serve(t, "two"), serve(t, "three")}
	p.registry.Set("echo", at(list...)...)
	return p, list
}

func at(list ...*backend) []discovery.Endpoint {
	var out []discovery.Endpoint
	for _, b := range list {
		out = append(out, b.at())
	}
	return out
}

// warm waits until calls reach so many.
func warm(t *testing.T, c *program, n int) {
	t.Helper()
	eventually(t, "calls reach all instances", func() bool {
		got := c.calls(3*n, unary)
		return len(got.who()) == n && got.failed() == 0
	})
}

func TestRoundRobin(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, _ := three(t, balanced(inTurn))
		c := p.client(l, "echo:7070")
		warm(t, c, 3)
		got := c.calls(300, unary)
		if want := map[string]int{"one": 100, "two": 100, "three": 100}; !maps.Equal(got.who(), want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestLeastRequest has one instance hold calls, and counts who gets the others. Of two that are
// chosen at random, the busy one is taken only when it is both: one time in nine. In turn
// it would get a third, as with Node's client, which has no such algorithm.
func TestLeastRequest(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, list := three(t, balanced("loadBalancer: {simple: LEAST_REQUEST}"))
		c := p.client(l, "echo:7070")
		warm(t, c, 3)
		held := c.send(order{Do: "calls", N: 60, At: 60, Method: unary, Headers: map[string]string{"hold": "x"}})
		eventually(t, "calls are held", func() bool { return list[0].holds()+list[1].holds()+list[2].holds() == 60 })
		close(list[1].gate)
		close(list[2].gate)
		eventually(t, "those of two have gone on", func() bool { return list[1].holds()+list[2].holds() == 0 })
		if list[0].holds() < 5 {
			t.Fatalf("one holds %d calls of 60, too few to tell", list[0].holds())
		}
		const calls = 300
		got := c.calls(calls, unary)
		busy, bound := got.who()["one"], calls/9.0+5*math.Sqrt(calls*(1/9.0)*(8/9.0))
		switch {
		case got.failed() > 0 || len(got) != calls:
			t.Errorf("got %v", got)
		case l.name == golang.name && float64(busy) > bound:
			t.Errorf("the busy one got %d of %d calls, want %.0f at most", busy, calls, bound)
		case l.name == nodejs.name && busy != calls/3:
			t.Errorf("the busy one got %d of %d calls, want every third: they are made in turn", busy, calls)
		}
		close(list[0].gate)
		if got := ends(c.await(held).Calls); got.failed() > 0 {
			t.Errorf("calls that were held: %v", got)
		}
	})
}

// annotated is a destination rule for echo that says what Istio has no field for.
func annotated(algorithm string) string {
	return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo, annotations: {enmesh.dev/load-balancer: ` + algorithm + `}}
spec: {host: echo}
`
}

// TestPickFirst: a channel stays with one instance, and goes to another one when that is gone.
// Node's client does so where a variable tells it to.
func TestPickFirst(t *testing.T) {
	for _, l := range []language{golang, nodejs.with("GRPC_EXPERIMENTAL_PICKFIRST_LB_CONFIG=true")} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p, list := three(t, annotated("PICK_FIRST"))
			c := p.client(l, "echo:7070")
			got := c.calls(100, unary)
			if len(got.who()) != 1 || got.failed() > 0 {
				t.Fatalf("got %v, want all calls at one instance", got.who())
			}
			gone := got[0].Who
			for _, b := range list {
				if b.name == gone {
					b.stop()
				}
			}
			eventually(t, "calls are answered by another", func() bool {
				got := c.calls(20, unary)
				return got.failed() == 0 && len(got.who()) == 1 && got.who()[gone] == 0
			})
		})
	}
	t.Run("node, not told to", func(t *testing.T) {
		t.Parallel()
		p, _ := three(t, annotated("PICK_FIRST"))
		warm(t, p.client(nodejs, "echo:7070"), 3)
	})
}

func TestBackendsComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, list := three(t, balanced(inTurn))
		c := p.client(l, "echo:7070")
		warm(t, c, 3)
		c.do(order{Do: "begin", Every: 10, Method: unary})
		p.registry.Set("echo", at(list[0])...)
		eventually(t, "one is left", func() bool { return c.calls(10, unary).by("one") })
		p.registry.Set("echo", at(list...)...)
		warm(t, c, 3)
		if got := ends(c.do(order{Do: "stop"}).Calls); got.failed() > 0 || len(got) == 0 {
			t.Errorf("instances came and went, and calls failed: %v", got)
		}
	})
}

func TestBackendsRestart(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, list := three(t, balanced(inTurn))
		c := p.client(l, "echo:7070")
		warm(t, c, 3)
		for _, b := range list {
			b.stop()
		}
		eventually(t, "calls fail", func() bool { return c.calls(3, unary).failed() == 3 })
		if got := c.call(unary); got.Code != codes.Unavailable {
			t.Errorf("nobody is there: got %+v, want UNAVAILABLE", got)
		}
		for _, b := range list {
			b.start()
		}
		warm(t, c, 3)
	})
}

func TestRingHashAffinity(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, list := three(t, balanced("loadBalancer: {consistentHash: {httpHeaderName: x-user}}"))
		c := p.client(l, "echo:7070")
		users := make([]string, 60)
		first := map[string]string{}
		reached := map[string]int{}
		for i := range users {
			users[i] = "user-" + strconv.Itoa(i)
			got := c.calls(5, unary, "x-user", users[i])
			if len(got.who()) != 1 || got.failed() > 0 {
				t.Fatalf("%s: got %v, want one instance", users[i], got)
			}
			first[users[i]] = got[0].Who
			reached[got[0].Who]++
		}
		if len(reached) < 3 {
			t.Errorf("users have %v, want all three instances", reached)
		}
		// One instance goes. The others get more entries on the ring for it, a third of all in
		// the end, and so a few users of theirs move as well.
		p.registry.Set("echo", at(list[1:]...)...)
		eventually(t, "one is gone", func() bool {
			return !slices.ContainsFunc(users, func(u string) bool { return c.call(unary, "x-user", u).Who == "one" })
		})
		moved := 0
		for _, u := range users {
			if got := c.call(unary, "x-user", u); got.Code != codes.OK {
				t.Errorf("%s: got %+v", u, got)
			} else if first[u] != "one" && got.Who != first[u] {
				moved++
			}
		}
		if stay := len(users) - reached["one"]; moved > stay/2 {
			t.Errorf("%d of %d users have moved whose instance is still there", moved, stay)
		}
	})
}

// TestWeightsByReportedLoad has instances report how busy they are (ORCA): the idle one gets more.
// Node's client looks at that where a variable tells it to, and else takes turns.
func TestWeightsByReportedLoad(t *testing.T) {
	reporting := func(t *testing.T, l language) *program {
		p := run(t)
		p.policy(annotated("PEAK_EWMA"))
		busy, idle := serve(t, "busy"), serve(t, "idle")
		busy.reports(0.9)
		idle.reports(0.1)
		p.registry.Set("echo", at(busy, idle)...)
		return p.client(l, "echo:7070")
	}
	for _, l := range []language{golang, nodejs.with("GRPC_EXPERIMENTAL_XDS_WRR_LB=true")} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			c := reporting(t, l)
			eventually(t, "the idle one gets more", func() bool {
				got := ends(c.do(order{Do: "calls", N: 100, At: 2, Method: unary}).Calls)
				return got.failed() == 0 && got.who()["busy"] > 0 && got.who()["idle"] > 3*got.who()["busy"]
			})
		})
	}
	t.Run("node, not told to", func(t *testing.T) {
		t.Parallel()
		c := reporting(t, nodejs)
		warm(t, c, 2)
		if got := c.calls(100, unary).who(); got["busy"] != 50 || got["idle"] != 50 {
			t.Errorf("got %v, want calls made in turn", got)
		}
	})
}
