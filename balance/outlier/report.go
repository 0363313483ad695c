// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"cmp"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Verdict is what a [Detector] holds of one endpoint.
type Verdict struct {
	Endpoint *balance.Endpoint
	// Ejected: by this detector, and it lasts. An endpoint that rests for another reason
	// (see [balance.Endpoint.Rest]) is not.
	Ejected bool
	Until   enmesh.Instant // when the last ejection ends or was to end; 0: there was none
	Why     Reason         // of the last ejection
	// Count is how many ejections the next would be longer for.
	Count  int64
	Total  uint64 // ejections, ever
	Spared uint64 // times that it should have been ejected, and too many were already

	// How many of a kind in a row, now.
	Consecutive5xx, ConsecutiveGateway, ConsecutiveLocalOrigin uint32

	// Of the last interval that ended, if rates are looked at: calls that ended and say
	// something, and the percentage of them that succeeded.
	Calls       uint32
	SuccessRate float64
}

// Report is the state of every endpoint that has not left the cluster, by address: for
// metrics and for whoever wants to know why an endpoint gets no calls.
func (d *Detector) Report() []Verdict {
	now := enmesh.Now()
	d.sweeping.Lock()
	report := make([]Verdict, 0, len(d.hosts))
	for e, h := range d.hosts {
		if !e.Gone() {
			report = append(report, Verdict{
				Endpoint: e, Calls: h.last.calls, SuccessRate: h.last.rate,
				Consecutive5xx: h.errors.Load(), ConsecutiveGateway: h.gateway.Load(), ConsecutiveLocalOrigin: h.local.Load(),
			})
		}
	}
	d.mu.Lock()
	for i := range report {
		d.hosts[report[i].Endpoint].describe(&report[i], now)
	}
	d.mu.Unlock()
	d.sweeping.Unlock()
	slices.SortFunc(report, func(a, b Verdict) int { return cmp.Compare(a.Endpoint.Addr(), b.Endpoint.Addr()) })
	return report
}

// describe fills in the ejections; Detector.mu is held.
func (h *host) describe(v *Verdict, now enmesh.Instant) {
	v.Ejected = h.out && h.endpoint.Ejected(now)
	v.Until, v.Why, v.Count, v.Total, v.Spared = h.until, h.why, h.standing(now), h.total, h.spared
}
