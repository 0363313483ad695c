// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

var errBusy = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}

// ended is a call of a service that ended with err at an instant.
func ended(at enmesh.Instant, err error) enmesh.Result {
	c := &enmesh.Call{Destination: enmesh.Destination{Service: "reviews"}, Method: "GET", Path: "/x", Attempt: 1, Start: at}
	return enmesh.Result{Call: c, Err: err, Outcome: enmesh.OutcomeOf(err), Ended: at}
}

// A call that is not recorded costs no allocation, whether it went well or not.
func TestRecorder_allocations(t *testing.T) {
	for name, err := range map[string]error{"good": nil, "bad": errBusy} {
		o := newDecisions(enmesh.Naming{}, 0).recorder("reviews", "p.yaml:1", nil)
		r := ended(enmesh.Now(), err)
		record := func() { o.attempts().Observe(r); o.calls().Observe(r) }
		for range 1000 {
			record()
		}
		if got := testing.AllocsPerRun(1000, record); got != 0 {
			t.Errorf("%s: a call that is not recorded allocates %v times", name, got)
		}
	}
}

// At most 20 good calls and 100 bad ones are recorded of a service in any second, however
// many there are.
func TestRecorder_rates(t *testing.T) {
	for _, tt := range []struct {
		err         error
		burst, most int
	}{{nil, goodBurst, 20}, {errBusy, badBurst, 100}} {
		d := newDecisions(enmesh.Naming{}, maxDecisions)
		o := d.recorder("reviews", "", nil)
		at := enmesh.Now()
		seen := func() int {
			s := d.stores["reviews"]
			return len(s.good.all) + len(s.bad.all)
		}
		for range 1000 { // at once
			o.calls().Observe(ended(at, tt.err))
		}
		if got := seen(); got != tt.burst {
			t.Errorf("%v: %d of 1000 at once, want %d", tt.err, got, tt.burst)
		}
		for i := range 1000 { // in the rest of the second
			o.calls().Observe(ended(at.Add(time.Duration(i)*time.Millisecond), tt.err))
		}
		if got := seen(); got > tt.most || got < tt.most*9/10 {
			t.Errorf("%v: %d in the first second, want %d", tt.err, got, tt.most)
		}
		before := seen()
		for i := range 5000 {
			o.calls().Observe(ended(at.Add(10*time.Second+time.Duration(i)*200*time.Microsecond), tt.err))
		}
		if got := seen() - before; got > tt.most || got < tt.most*9/10 {
			t.Errorf("%v: %d in a later second, want %d", tt.err, got, tt.most)
		}
	}
}

// Attempts of calls that never end are forgotten, as are services.
func TestDecisions_memoryIsBounded(t *testing.T) {
	d := newDecisions(enmesh.Naming{}, 0)
	at := enmesh.Now()
	for i := range 2 * maxRings {
		o := d.recorder(fmt.Sprint("s", i), "", nil)
		o.attempts().Observe(ended(at, errBusy))
		o.calls().Observe(ended(at, errBusy)) // another call
	}
	if n := len(d.trails.of); n > len(d.trails.slots) || int(d.trails.open.Load()) != n {
		t.Errorf("%d trails are kept, and %d counted", n, d.trails.open.Load())
	}
	if len(d.rings) > maxRings+1 || len(d.stores) > maxStored {
		t.Errorf("%d rings and %d stores", len(d.rings), len(d.stores))
	}
	r := ended(at, errBusy)
	for range 100 {
		d.trails.add(r.Call, Attempt{})
	}
	if got := d.trails.take(r.Call); len(got) != maxTrail {
		t.Errorf("%d attempts of one call, want %d", len(got), maxTrail)
	}
	if got := d.trails.take(r.Call); got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

// BenchmarkRecorder is what telling of a call costs, where it is not recorded.
func BenchmarkRecorder(b *testing.B) {
	for name, err := range map[string]error{"good": nil, "bad": errBusy} {
		b.Run(name, func(b *testing.B) {
			o := newDecisions(enmesh.Naming{}, 0).recorder("reviews", "", nil)
			r := ended(enmesh.Now(), err)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					o.attempts().Observe(r)
					o.calls().Observe(r)
				}
			})
		})
	}
}
