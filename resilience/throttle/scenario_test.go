// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

var overloaded = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

func mustNew(tb testing.TB, cfg throttle.Config, opts ...throttle.Option) *throttle.Throttle {
	tb.Helper()
	th, err := throttle.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return th
}

// step is how finely the model of P3 divides time; a backend of a capacity takes that
// much of it in each step and refuses the rest, an answer later.
const (
	step    = 10 * time.Millisecond
	latency = 5 // steps
)

// flow is a caller, its throttle and a backend, in virtual time.
type flow struct {
	th   *throttle.Throttle // nil: the control
	now  enmesh.Instant
	late [latency][]ended
	n    int
	owed float64
}

type ended struct {
	token enmesh.Token
	err   error
}

type tally struct{ offered, arrived, accepted, refused int }

// run offers rate calls a second, of which the backend takes capacity, for d.
func (f *flow) run(d time.Duration, rate, capacity float64, levels ...enmesh.Criticality) tally {
	if len(levels) == 0 {
		levels = []enmesh.Criticality{enmesh.Critical}
	}
	var got tally
	room := 0.0
	for range int(d / step) {
		f.now = f.now.Add(step)
		slot := &f.late[f.n%latency]
		for _, e := range *slot {
			f.th.Done(e.token, enmesh.Result{Err: e.err, Outcome: enmesh.OutcomeOf(e.err), Ended: f.now})
		}
		*slot = (*slot)[:0]
		room = min(room+capacity*step.Seconds(), max(1, capacity*step.Seconds()))
		for f.owed += rate * step.Seconds(); f.owed >= 1; f.owed-- {
			got.offered++
			var token enmesh.Token
			if f.th != nil {
				var ok bool
				if token, ok = f.th.AdmitAt(f.now, levels[got.offered%len(levels)]); !ok {
					got.refused++
					continue
				}
			}
			got.arrived++
			var err error = overloaded
			if room >= 1 {
				room--
				got.accepted++
				err = nil
			}
			if f.th != nil {
				*slot = append(*slot, ended{token, err})
			}
		}
		f.n++
	}
	return got
}

func newFlow(t *testing.T, cfg throttle.Config) *flow {
	t.Helper()
	src := rand.New(rand.NewPCG(1, 2))
	return &flow{th: mustNew(t, cfg, throttle.Draw(src.Uint32N)), now: enmesh.Instant(1000 * time.Hour)}
}

// P3: the backend gets at most 1.1 * K for each call that it accepts; nothing is refused
// here while it accepts half or more; and one window after it has recovered nothing is.
func TestScenarioP3_throttlesToTwiceWhatIsAccepted(t *testing.T) {
	const window, capacity = 10 * time.Second, 1000.0
	for _, tt := range []struct{ times, refused float64 }{{4, 0.5}, {10, 0.8}} {
		f := newFlow(t, throttle.Config{Window: window})
		f.run(2*window, capacity, capacity)
		f.run(window, tt.times*capacity, capacity) // the window fills
		got := f.run(2*window, tt.times*capacity, capacity)
		control := (&flow{}).run(2*window, tt.times*capacity, capacity)
		ratio, share := float64(got.arrived)/float64(got.accepted), float64(got.refused)/float64(got.offered)
		t.Logf("%gx: %+v: %.2f arrivals for each accepted (control %.2f), %.2f refused here", tt.times, got, ratio,
			float64(control.arrived)/float64(control.accepted), share)
		if ratio > 1.1*2 {
			t.Errorf("%gx: %.2f arrivals for each accepted, want at most 2.2", tt.times, ratio)
		}
		if share < tt.refused-0.05 || share > tt.refused+0.05 {
			t.Errorf("%gx: %.2f refused here, want about %.2f", tt.times, share, tt.refused)
		}
		if got.accepted < control.accepted*95/100 {
			t.Errorf("%gx: %d accepted, the control %d", tt.times, got.accepted, control.accepted)
		}
		f.run(window, capacity, capacity)
		if after := f.run(window, capacity, capacity); after.refused != 0 {
			t.Errorf("%gx: one window after the load is normal %d of %d are refused", tt.times, after.refused, after.offered)
		}
	}
}

func TestScenarioP3_refusesNothingWhileHalfIsAccepted(t *testing.T) {
	const window = 10 * time.Second
	for _, success := range []float64{1, 0.75, 0.5} {
		f := newFlow(t, throttle.Config{Window: window})
		got := f.run(5*window, 1000, 1000*success)
		t.Logf("success %.2f: %+v", success, got)
		if got.refused != 0 {
			t.Errorf("success %.2f: %d of %d refused here, want none", success, got.refused, got.offered)
		}
	}
}

// A backend that is down gets no more than the floor; when it is back, at the full rate,
// nothing is refused after at most a window.
func TestScenarioP3_findsARecovery(t *testing.T) {
	for _, window := range []time.Duration{10 * time.Second, 30 * time.Second, throttle.DefaultWindow} {
		f := newFlow(t, throttle.Config{Window: window})
		f.run(window, 1000, 1000)
		f.run(window, 1000, 0)
		down := f.run(window, 1000, 0)
		var took time.Duration
		for ; took < 10*window; took += time.Second {
			if got := f.run(time.Second, 1000, 1000); got.refused == 0 {
				break
			}
		}
		t.Logf("window %v: while down %d of %d arrived; all is let through %v after it is back", window, down.arrived, down.offered, took)
		if took > window {
			t.Errorf("window %v: calls are refused %v after the recovery, want at most a window", window, took)
		}
		if limit := int(window/time.Second)*2 + 200; down.arrived > limit {
			t.Errorf("window %v: %d calls sent to what is down, want at most %d", window, down.arrived, limit)
		}
	}
}

// The levels that matter least are refused first.
func TestScenarioP3_refusesTheLeastCriticalFirst(t *testing.T) {
	f := newFlow(t, throttle.Config{Window: 10 * time.Second})
	levels := []enmesh.Criticality{enmesh.CriticalPlus, enmesh.Critical, enmesh.SheddablePlus, enmesh.Sheddable}
	f.run(30*time.Second, 4000, 1000, levels...)
	// Half is to be refused: all that is sheddable, nothing else.
	refused, offered := map[enmesh.Criticality]int{}, map[enmesh.Criticality]int{}
	for i := range 4000 {
		f.now = f.now.Add(250 * time.Microsecond)
		level := levels[i%4]
		offered[level]++
		token, ok := f.th.AdmitAt(f.now, level)
		if !ok {
			refused[level]++
			continue
		}
		err := error(overloaded)
		if i%4 == 0 {
			err = nil
		}
		f.th.Done(token, enmesh.Result{Err: err})
	}
	t.Logf("refused %v of %v", refused, offered)
	if refused[enmesh.CriticalPlus] != 0 || refused[enmesh.Critical] > 200 || refused[enmesh.Sheddable] < 950 {
		t.Errorf("refused %v of a thousand each, want the sheddable ones", refused)
	}
}
