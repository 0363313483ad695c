// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/policy"
)

var ownKinds = []string{"RateLimit", "ConcurrencyLimit", "RetryBudget", "Hedge", "Shed", "Fallback", "CircuitBreaker", "Throttle"}

// FuzzOwn is FuzzParse for the specs of the kinds of enmesh.dev, which whole documents
// seldom reach.
func FuzzOwn(f *testing.F) {
	for i, specs := range [][]string{
		{"host: a, rules: [{tokenBucket: {rate: 1, burst: 2}, key: [{header: x}], cost: 2}, {leakyBucket: {rate: 2.5, queue: 0}}]",
			"rules: [{fixedWindow: {limit: 5, window: 1m}, key: [{source: {ipv4Bits: 8}}, {path: true}]}, {headers: NEVER, slidingWindow: {limit: 3, window: 1s, exact: true}}]",
			"selector: {matchLabels: {app: a}}, rules: [{match: [{uri: {prefix: /a}, sourceNamespace: b}], slidingWindow: {limit: 9, window: 2s, slices: 4}}]",
			"host: a, rules: [{name: n, key: [{header: x}], sharedBucket: {provider: p, rate: 1, burst: 2}}, {rateLimitService: {provider: p, domain: d, descriptors: [{entries: [{key: k, header: h, optional: true}, {key: g, value: v}]}]}}]"},
		{"host: a, max: 3, shares: {sheddable: 0.5}", "adaptive: {algorithm: VEGAS, min: 2, max: 4, initial: 3}"},
		{"host: a, ratio: 0, minPerSecond: 0, window: 1s"},
		{"host: '*.a.b', match: [{method: {exact: GET}}], delay: 1ms, percentile: 99"},
		{"cpu: 0, delay: 1ms, inFlight: 3", "cpu: 0, queue: {slots: 2, target: 1ms}"},
		{"host: a, on: '5xx,no-answer', destination: {host: b, subset: v1}, cache: {}, static: {status: 503, grpcMessage: aGk=}"},
		{"host: a, per: ROUTE, slowAfter: 1s, slowRatio: 0.1, shadow: yes"},
		{"host: a, multiplier: 1.1, overloaded: '429'"},
	} {
		for _, spec := range specs {
			f.Add(uint8(i), spec)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, spec string) {
		holdsTogether(t, []byte("apiVersion: enmesh.dev/v1\nkind: "+ownKinds[int(kind)%len(ownKinds)]+"\nmetadata: {name: a}\nspec: {"+spec+"}\n"))
	})
}

// ownHoldsTogether holds that what own kinds were compiled to is found, and can be used.
func ownHoldsTogether(t *testing.T, s *policy.Snapshot) {
	t.Helper()
	out := s.Outbound("a.default.svc.cluster.local")
	for _, own := range append(out.Own(), s.Inbound.Own()...) {
		if own.Document == "" || own.Origin == "" {
			t.Fatalf("got %+v, want its document and place", own)
		}
	}
	for _, r := range []*policy.RateLimit{out.RateLimit, s.Inbound.RateLimit} {
		if r == nil {
			continue
		}
		for _, l := range r.Limits {
			for _, m := range l.Match {
				m.Matches(&enmesh.Call{Side: enmesh.Server, Path: "/", Method: "GET"})
			}
			if cfg, ok := l.Limit.(limit.Config); ok {
				if _, err := limit.NewTokenBucket(cfg); err != nil {
					t.Fatal(err)
				}
			}
			same := map[any]bool{l.Limit: true}
			if !same[l.Limit] {
				t.Fatalf("%s is not equal to itself: %+v", l.Name, l.Limit)
			}
		}
	}
	if h := out.Hedge; h != nil {
		for _, m := range h.Match {
			m.Matches(&enmesh.Call{Path: "/", Method: "GET"})
		}
	}
}
