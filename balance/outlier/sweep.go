// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"cmp"
	"math"
	"slices"

	"github.com/enmesh-go/enmesh"
)

// sample is how an endpoint did in one interval.
type sample struct {
	host  *host
	calls uint32
	rate  float64 // percent of the calls that succeeded
	why   Reason
}

// tick ends the interval, on the goroutine of one call: the first that ended after it.
// All others go on.
func (d *Detector) tick(now enmesh.Instant) {
	due := d.due.Load()
	end := enmesh.Instant(due)
	late := now.Sub(end)
	if late < 0 {
		return
	}
	next := end.Add(late - late%d.cfg.Interval + d.cfg.Interval)
	if !d.due.CompareAndSwap(due, int64(next)) {
		return
	}
	if d.rated {
		d.sweep(end, now)
	}
	if d.tell == nil {
		return
	}
	d.mu.Lock()
	events := d.takeBack(nil, now)
	d.mu.Unlock()
	d.report(events)
}

// sweep looks at what every endpoint did in the interval that ended at end. Nothing
// was counted since: whoever counts first has come here before. The worst are ejected
// first, in case not all may be.
func (d *Detector) sweep(end, now enmesh.Instant) {
	d.sweeping.Lock()
	d.bad = d.bad[:0]
	d.gather(false, now)
	d.compare(successRates[0], failurePercentages[0])
	if d.cfg.SplitLocalOrigin {
		d.gather(true, now)
		d.compare(successRates[1], failurePercentages[1])
	}
	slices.SortStableFunc(d.bad, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.rate, b.rate), cmp.Compare(a.host.endpoint.Addr(), b.host.endpoint.Addr()))
	})
	bad := slices.Clone(d.bad)
	clear(d.samples)
	clear(d.bad)
	d.sweeping.Unlock()
	for _, s := range bad {
		d.eject(s.host, s.why, end, now)
	}
}

// The reasons for an ejection by what endpoints answered, and by the way there.
var (
	successRates       = [...]Reason{LowSuccessRate, LowSuccessRateLocal}
	failurePercentages = [...]Reason{FailureShare, FailureShareLocal}
)

// gather takes what was counted in the interval, of the way to the endpoints or of
// their answers, from all that are not ejected; sweeping is held.
func (d *Detector) gather(ways bool, now enmesh.Instant) {
	d.samples = d.samples[:0]
	for _, h := range d.hosts {
		t := &h.answers
		if ways {
			t = &h.ways
		}
		calls, successes := t.take()
		s := sample{host: h, calls: calls}
		if calls > 0 {
			s.rate = 100 * float64(successes) / float64(calls)
		}
		if !ways {
			h.last = sample{calls: calls, rate: s.rate}
		}
		if calls > 0 && !h.endpoint.Ejected(now) && !h.endpoint.Gone() {
			d.samples = append(d.samples, s)
		}
	}
}

// compare adds those among the samples to the bad ones that are; sweeping is held.
func (d *Detector) compare(slow, share Reason) {
	if c := d.cfg.SuccessRate; c.Enabled {
		if bound, ok := lowest(d.samples, c); ok {
			d.judge(c.Volume, slow, func(rate float64) bool { return rate < bound })
		}
	}
	if c := d.cfg.FailurePercentage; c.Enabled && enough(d.samples, c.Volume, c.MinHosts) {
		d.judge(c.Volume, share, func(rate float64) bool { return 100-rate >= float64(c.Threshold) })
	}
}

// judge adds to the bad ones those with calls enough that are so.
func (d *Detector) judge(volume uint32, why Reason, isBad func(rate float64) bool) {
	for _, s := range d.samples {
		if s.calls >= volume && isBad(s.rate) {
			s.why = why
			d.bad = append(d.bad, s)
		}
	}
}

// enough reports whether enough endpoints had calls enough.
func enough(samples []sample, volume, hosts uint32) bool {
	var n uint32
	for _, s := range samples {
		if s.calls >= volume {
			n++
		}
	}
	return n >= hosts
}

// lowest is the success rate below which an endpoint is an outlier: the mean less so
// many standard deviations (Envoy, "Outlier detection", success rate). ok is false
// when there are too few to compare.
func lowest(samples []sample, c SuccessRate) (bound float64, ok bool) {
	if !enough(samples, c.Volume, c.MinHosts) {
		return 0, false
	}
	var n, sum, squares float64
	for _, s := range samples {
		if s.calls >= c.Volume {
			n++
			sum += s.rate
		}
	}
	mean := sum / n
	for _, s := range samples {
		if s.calls >= c.Volume {
			squares += (s.rate - mean) * (s.rate - mean)
		}
	}
	const noise = 1e-9 // of the sums: rates that are all alike are no outliers
	return mean - float64(c.Factor)/1000*math.Sqrt(squares/n) - noise, true
}
