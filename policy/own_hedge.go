// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/resilience/hedge"
)

// Hedge is when a service's calls are sent a second time, before they have failed.
type Hedge struct {
	Own
	Match  []*route.Match // which calls; none: every one
	Config hedge.Config
}

type hedgeSpec struct {
	clientSpec
	Match      []*networking.HTTPMatchRequest
	Delay      time.Duration
	Percentile float64
	MinSamples int64
	Window     time.Duration
	MaxHedges  int64
	Idempotent bool
}

func (s *hedgeSpec) check(c cursor) {
	checkCalls(c.field("match"), s.Match, false)
	checkRange(c.field("delay"), s.Delay, time.Millisecond, time.Hour)
	checkRange(c.field("percentile"), s.Percentile, 50, 99.99)
	checkRange(c.field("minSamples"), s.MinSamples, 1, 1_000_000)
	checkRange(c.field("window"), s.Window, 100*time.Millisecond, time.Hour)
	checkRange(c.field("maxHedges"), s.MaxHedges, 1, 10)
}

func (s *hedgeSpec) compile(b *builder, c cursor, own Own) any {
	match, never := b.calls(c.field("match"), s.Match, false)
	if never {
		return nil
	}
	out := &Hedge{own, match, hedge.Config{
		Delay: s.Delay, Percentile: s.Percentile / 100, MinSamples: int(s.MinSamples),
		Window: s.Window, MaxHedges: int(s.MaxHedges), Idempotent: s.Idempotent, Shadow: own.Shadow,
	}}
	if !c.field("idempotent").isSet() && s.mayBeGRPC() {
		c.field("host").note(Approximated, "gRPC calls are hedged"+marked)
	}
	_, err := hedge.New(out.Config)
	built(c, err)
	return out
}

// mayBeGRPC reports whether a gRPC call may match: its method is POST.
func (s *hedgeSpec) mayBeGRPC() bool {
	return len(s.Match) == 0 || slices.ContainsFunc(s.Match, func(m *networking.HTTPMatchRequest) bool {
		return m.GetMethod() == nil || m.GetMethod().GetExact() == "POST"
	})
}

// marked is when a gRPC call may be done twice where the document does not say.
const marked = " only where the linked descriptor of their method has an idempotency_level: say idempotent: true where all may be done twice, else false"
