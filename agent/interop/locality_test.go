// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

// nearest keeps calls in the caller's zone as long as there is somebody.
const nearest = inTurn + ", " + detected

const detected = "outlierDetection: {consecutive5xxErrors: 5}"

// zones is an agent with instances in the zones a, where clients are, and b.
func zones(t *testing.T, documents string) (p *plane, a, b []*backend) {
	t.Helper()
	p = run(t)
	p.policy(documents)
	a = []*backend{serve(t, "a1"), serve(t, "a2")}
	b = []*backend{serve(t, "b1"), serve(t, "b2")}
	p.registry.Set("echo", placed(a, b)...)
	return p, a, b
}

func placed(a, b []*backend) []discovery.Endpoint {
	var out []discovery.Endpoint
	for _, one := range a {
		out = append(out, one.in("a"))
	}
	for _, one := range b {
		out = append(out, one.in("b"))
	}
	return out
}

// reach waits until calls are answered by names, by all of them, and by nobody else.
func reach(t *testing.T, c *program, what string, names ...string) {
	t.Helper()
	eventually(t, what, func() bool {
		got := c.calls(20, unary)
		return got.by(names...) && len(got.who()) == len(names)
	})
}

func TestLocalityFailoverAndReturn(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, a, _ := zones(t, balanced(nearest))
		c := p.client(l, "echo:7070")
		reach(t, c, "the own zone", "a1", "a2")
		a[0].stop()
		reach(t, c, "part of the own zone", "a2")
		a[1].stop()
		reach(t, c, "the other zone", "b1", "b2")
		a[0].start()
		a[1].start()
		reach(t, c, "the own zone again", "a1", "a2")
	})
}

func TestLocalityFailoverByTheRegistry(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, a, b := zones(t, balanced(nearest))
		c := p.client(l, "echo:7070")
		reach(t, c, "the own zone", "a1", "a2")
		c.do(order{Do: "begin", Every: 10, Method: unary})
		p.registry.Set("echo", placed(nil, b)...)
		reach(t, c, "the other zone", "b1", "b2")
		p.registry.Set("echo", placed(a, b)...)
		reach(t, c, "the own zone again", "a1", "a2")
		if got := ends(c.do(order{Do: "stop"}).Calls); got.failed() > 0 || len(got) == 0 {
			t.Errorf("a zone came and went, and calls failed: %v", got)
		}
	})
}

// TestLocalitiesShareWithoutOutlierDetection is Istio's rule: without it there is no failover,
// and no preference.
func TestLocalitiesShareWithoutOutlierDetection(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, a, b := zones(t, balanced(inTurn))
		c := p.client(l, "echo:7070")
		reach(t, c, "both zones", "a1", "a2", "b1", "b2")
		p.registry.Set("echo", placed(a, nil)...)
		reach(t, c, "one is removed", "a1", "a2")
		p.registry.Set("echo", placed(nil, b)...)
		reach(t, c, "the other", "b1", "b2")
	})
}

func TestLocalityDistribution(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, _, _ := zones(t, balanced(detected+", loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {distribute: [{from: eu/a/*, to: {eu/a/*: 80, eu/b/*: 20}}]}}"))
		c := p.client(l, "echo:7070")
		eventually(t, "all are reached", func() bool { return len(c.calls(60, unary).who()) == 4 })
		got := ends(c.do(order{Do: "calls", N: 1000, At: 10, Method: unary}).Calls)
		other := got.who()["b1"] + got.who()["b2"]
		if other < 130 || other > 270 || got.failed() > 0 {
			t.Errorf("got %v, want 200 in the other zone", got)
		}
	})
}
