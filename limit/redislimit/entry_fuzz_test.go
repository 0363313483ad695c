// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"math"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

// fleet is instances of one quota on a Redis that is modelled: a bucket that fills.
type fleet struct {
	cfg      Config
	entries  []*entry
	bucket   float64
	now      enmesh.Instant
	gone     bool // Redis is
	admitted int
}

func newFleet(cfg Config, n int) *fleet {
	f := &fleet{cfg: cfg, bucket: float64(cfg.Burst), now: start0}
	for range n {
		f.entries = append(f.entries, &entry{})
	}
	return f
}

func (f *fleet) pass(d time.Duration) {
	f.now = f.now.Add(d)
	f.bucket = min(f.bucket+f.cfg.Rate*d.Seconds(), float64(f.cfg.Burst))
}

// call decides as Quota does, with answers that come at once.
func (f *fleet) call(e *entry) {
	s := f.cfg.share(len(f.entries))
	v, _ := e.take(f.now)
	switch {
	case v == unknown && f.gone:
		v, _ = e.takeShare(f.now, s)
	case v == unknown:
		f.ask(e, s)
		v, _ = e.take(f.now)
	case !f.gone && e.low(f.now):
		f.ask(e, s)
	}
	if v == admitted {
		f.admitted++
	}
}

// ask is the script.
func (f *fleet) ask(e *entry, s share) {
	wanted := e.wanted(f.now, f.cfg, 1)
	f.bucket = max(0, f.bucket-e.owed(f.now, s))
	e.aside = 0
	given := min(wanted, int(math.Floor(f.bucket+1e-6)))
	f.bucket -= float64(given)
	wait := time.Duration(max(0, 1-f.bucket) / f.cfg.Rate * float64(time.Second))
	e.answered(f.now, grant{permits: given, left: max(0, f.bucket), wait: wait}, wanted, f.cfg, len(f.entries))
}

// repay is Quota's.
func (f *fleet) repay() {
	for _, e := range f.entries {
		owed := e.owed(f.now, f.cfg.share(len(f.entries)))
		f.bucket, e.aside = max(0, f.bucket-owed), 0
		e.answered(f.now, grant{left: f.bucket}, 0, f.cfg, len(f.entries))
	}
}

// FuzzEntry_neverAdmitsMuchMore lets a fleet call while Redis comes and goes. With Redis it
// admits the limit and no call more. An outage adds one burst at most, at its beginning, if
// every instance has last heard of a full bucket that another has emptied since.
func FuzzEntry_neverAdmitsMuchMore(f *testing.F) {
	f.Add([]byte{0x40, 0x3F, 0xC1, 0x80, 0xC0, 0xC1, 0xC2, 0xC3, 0x3F, 0x80, 0xC0})
	f.Add([]byte{0xC0, 0xC1, 0x80, 0xC2, 0x80, 0xC3, 0x80, 0xC0, 0x80, 0x20, 0xC1, 0x80, 0xC2})
	f.Fuzz(func(t *testing.T, script []byte) {
		const n, burst, rate = 4, 40, 100
		cfg, err := Config{Name: "n", Rate: rate, Burst: burst}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		model, outages := newFleet(cfg, n), 0
		for _, b := range script {
			e := model.entries[b%n]
			switch b >> 6 {
			case 0:
				model.pass(time.Duration(b&63) * time.Duration(b&63) * 100 * time.Microsecond)
			case 1:
				model.call(e)
			case 2:
				if model.gone = !model.gone; model.gone {
					outages++
				} else {
					model.repay()
				}
			case 3:
				for range 20 {
					model.call(e)
				}
			}
			limit := float64(burst*(1+outages)) + rate*model.now.Sub(start0).Seconds()
			if float64(model.admitted) > limit+1e-3 {
				t.Fatalf("%d admitted after %v, want at most %.1f", model.admitted, model.now.Sub(start0), limit)
			}
		}
	})
}
