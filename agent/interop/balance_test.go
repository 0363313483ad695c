// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"maps"
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

func TestLeastRequestReachesAll(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, _ := three(t, balanced("loadBalancer: {simple: LEAST_REQUEST}"))
		warm(t, p.client(l, "echo:7070"), 3)
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
func TestWeightsByReportedLoad(t *testing.T) {
	p := run(t)
	p.policy(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo, annotations: {enmesh.dev/load-balancer: PEAK_EWMA}}
spec: {host: echo}
`)
	busy, idle := serve(t, "busy"), serve(t, "idle")
	busy.reports(0.9)
	idle.reports(0.1)
	p.registry.Set("echo", at(busy, idle)...)
	c := p.client(golang, "echo:7070")
	eventually(t, "the idle one gets more", func() bool {
		got := ends(c.do(order{Do: "calls", N: 100, At: 2, Method: unary}).Calls)
		return got.failed() == 0 && got.who()["busy"] > 0 && got.who()["idle"] > 3*got.who()["busy"]
	})
}
