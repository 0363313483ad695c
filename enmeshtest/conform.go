// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// TestMiddleware puts a middleware through every way a call can end, between a gate
// above it and a gate below it, and fails t unless each of the two hears of every
// call exactly once; so must a gate at the endpoint of picks that are thrown away. Each
// scenario has a call for itself, and at last as many calls as a crowd makes go through one
// chain at once, with all the endings among them: under the race detector, what calls
// share without a lock shows. build is called for each scenario, inside its bubble. The
// middleware may refuse, retry, delay or answer by itself; it may not keep a call
// for ever.
func TestMiddleware(t *testing.T, build func() enmesh.Middleware) {
	t.Helper()
	every(t, func() *trial { return newTrial(build()) })
}

// TestGate puts a gate through the same scenarios as [TestMiddleware], lifted by
// enmesh.Guard, and again below the pick, at an endpoint, where picks may be thrown away
// after the gate admitted them. It checks what a gate owes besides: Done returns at once
// and does not panic, though nobody tells it the Call; a refusal
// is a Neutral *enmesh.Error that names its policy; and a gate that was filled with
// calls admits again a day after they ended, whatever they ended with, or were never sent. The
// scenarios it does once more in shadow (enmesh.Shadow), where every call has to go through.
func TestGate(t *testing.T, build func() enmesh.Gate) {
	t.Helper()
	TestMiddleware(t, func() enmesh.Middleware { return enmesh.Guard(&judge{t: t, gate: build()}) })
	t.Run("below the pick", func(t *testing.T) {
		every(t, func() *trial { return newTrial(enmesh.Chain(), &judge{t: t, gate: build()}) })
	})
	for name, end := range map[string]error{
		"successes": nil, "failures": errFar, "callers' faults": errMine, "refusals": errRefused,
	} {
		t.Run("opens again after "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { reopens(t, build(), end) })
		})
	}
	t.Run("opens again after picks thrown away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { reopensUnsent(t, &judge{t: t, gate: build()}) })
	})
	t.Run("in shadow", func(t *testing.T) { inShadow(t, build) })
}

// inShadow tries a gate whose refusals are only told.
func inShadow(t *testing.T, build func() enmesh.Gate) {
	t.Helper()
	shadow := func() enmesh.Gate { return enmesh.Shadow(build(), "enmeshtest", nil) }
	TestMiddleware(t, func() enmesh.Middleware { return enmesh.Guard(shadow()) })
	t.Run("below the pick", func(t *testing.T) {
		every(t, func() *trial { return newTrial(enmesh.Chain(), &judge{t: t, gate: shadow()}) })
	})
	synctest.Test(t, func(t *testing.T) {
		if got := crowd(t, shadow()); got != crowdSize {
			t.Errorf("%d of %d calls went through in shadow, want all", got, crowdSize)
		}
	})
}

// crowdSize is how many calls are made at once.
const crowdSize = 100

// every tries all scenarios, each in a bubble of its own and then all in one.
func every(t *testing.T, build func() *trial) {
	t.Helper()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { conform(t, build(), s) })
		})
	}
	t.Run("many at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			all := scenarios()
			var mixed []scenario
			for i := range crowdSize / 2 { // half of them are under way together
				mixed = append(mixed, all[0], all[i%len(all)])
			}
			conform(t, build(), mixed...)
		})
	})
}

// trial is a chain that is being tried: what is tested, between gates that record.
type trial struct {
	above, below, at Gate // at stands at the endpoint
	place            *place
	picks            bool // every attempt is picked to the endpoint
	chain            enmesh.Middleware
}

// newTrial puts a middleware into the chain, and gates at the endpoint.
func newTrial(m enmesh.Middleware, gates ...enmesh.Gate) *trial {
	tr := &trial{picks: len(gates) > 0}
	tr.place = newPlace(append([]enmesh.Gate{&tr.at}, gates...)...)
	built := enmesh.Chain(m, enmesh.Guard(&tr.below))(enmesh.Send)
	tr.chain = func(enmesh.Next) enmesh.Next { return built } // one, whatever stands above it
	return tr
}

// wire is the far side of one call.
func (tr *trial) wire(s scenario) *Wire {
	steps := s.steps
	if tr.picks || s.thrown > 0 {
		steps = tr.place.visit(s, steps)
	}
	w := NewWire(steps...)
	if s.setup != nil {
		s.setup(w)
	}
	return w
}

// call makes one call and comes back from whatever it ends in.
func (tr *trial) call(w *Wire, s scenario) {
	defer func() { _ = recover() }()
	chain := append([]enmesh.Middleware{enmesh.Guard(&tr.above)}, s.outer...)
	run(w, enmesh.Fixed(true, append(chain, tr.chain)...), s)
}

// conform makes a call for each of these scenarios, all at once.
func conform(t *testing.T, tr *trial, scenarios ...scenario) {
	t.Helper()
	var ended sync.WaitGroup
	var wires []*Wire
	for _, s := range scenarios {
		w := tr.wire(s)
		wires = append(wires, w)
		ended.Go(func() { tr.call(w, s) })
	}
	ended.Wait()
	synctest.Wait()
	picked := 0
	for i, w := range wires {
		w.Finish(nil) // what a caller that abandons an answer does at last
		if s := scenarios[i]; s.thrown > 0 {
			picked += w.Sent() * (1 + s.thrown)
		}
	}
	synctest.Wait()
	for name, gate := range map[string]*Gate{"above": &tr.above, "below": &tr.below, "at the endpoint": &tr.at} {
		if err := gate.Settled(); err != nil {
			t.Errorf("gate %s: %v", name, err)
		}
	}
	if got, want := tr.above.Admits(), len(scenarios); got != want {
		t.Errorf("gate above admitted %d calls, want %d", got, want)
	}
	if got := tr.at.Admits(); !tr.picks && got != picked {
		t.Errorf("the gate at the endpoint admitted %d picks, want %d", got, picked)
	}
}

func run(w *Wire, r enmesh.Router, s scenario) {
	if s.drive != nil {
		s.drive(w, r)
		return
	}
	ctx := context.Background()
	if s.until != nil {
		var cancel context.CancelFunc
		ctx, cancel = s.until(ctx)
		defer cancel()
	}
	if err := w.Do(ctx, r); err == nil {
		w.Finish(nil)
	}
}

// judge watches a gate that is being tested.
type judge struct {
	t    *testing.T
	gate enmesh.Gate
}

func (j *judge) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	token, err := j.gate.Admit(ctx, c)
	if err == nil || ctx.Err() != nil {
		return token, err
	}
	if e := enmesh.ErrorOf(err); e == nil || e.Policy == "" || e.Outcome != enmesh.Neutral {
		j.t.Errorf("refusal %q: want a Neutral *enmesh.Error that names its policy", err)
	}
	return token, err
}

func (j *judge) Done(token enmesh.Token, r enmesh.Result) {
	defer func() {
		if v := recover(); v != nil {
			j.t.Errorf("Done panicked: %v", v)
		}
	}()
	before := time.Now() // the bubble's clock: it moves only when somebody waits
	j.gate.Done(token, r)
	if waited := time.Since(before); waited > 0 {
		j.t.Errorf("Done took %v of the bubble's time, want none: it must not block", waited)
	}
}

// crowd has many callers use one gate at once, with every outcome.
func crowd(t *testing.T, gate enmesh.Gate) (through int) {
	t.Helper()
	below := &Gate{}
	r := enmesh.Fixed(false, enmesh.Guard(gate), enmesh.Guard(below))
	errs := []error{nil, errFar, errMine, errRefused}
	var wg sync.WaitGroup
	for i := range crowdSize {
		wg.Go(func() {
			w := NewWire(Answer(errs[i%len(errs)]))
			if w.Do(context.Background(), r) == nil {
				w.Finish(nil)
			}
		})
	}
	wg.Wait()
	if err := below.Settled(); err != nil {
		t.Error(err)
	}
	return below.Admits()
}

// reopens fills a gate, ends what it admitted with end, and expects that it admits again
// when a day has passed: no breaker and no window is shut for longer.
func reopens(t *testing.T, gate enmesh.Gate, end error) {
	t.Helper()
	first := fill(gate, end)
	<-time.After(24 * time.Hour)
	if again := fill(gate, nil); first > 0 && again == 0 {
		t.Errorf("%d calls were admitted and ended; a day later none is admitted: what they held was not given back", first)
	}
}

// reopensUnsent is reopens for a gate at an endpoint, whose picks are all thrown away.
func reopensUnsent(t *testing.T, gate enmesh.Gate) {
	t.Helper()
	p := newPlace(gate)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var open []*balance.Admission
	w := NewWire(func(ctx context.Context, c *enmesh.Call) error {
		for range crowdSize {
			a, err := p.admit(ctx, c)
			if err != nil {
				return err
			}
			open = append(open, a)
		}
		return nil
	})
	_ = w.Do(ctx, enmesh.Fixed(false)) // the pick that is refused, if one is, is the last
	for _, a := range open {
		release(a, enmesh.ErrUnsent, 0)
	}
	w.Finish(nil)
	<-time.After(24 * time.Hour)
	if again := fill(gate, nil); len(open) > 0 && again == 0 {
		t.Errorf("%d picks were admitted and thrown away; a day later no call is admitted: what they held was not given back", len(open))
	}
}

// fill makes calls through gate until it refuses one, or there are as many as in a
// crowd, and then ends them.
func fill(gate enmesh.Gate, end error) (admitted int) {
	r := enmesh.Fixed(false, enmesh.Guard(gate))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var open []*Wire
	for range crowdSize {
		w := NewWire()
		if w.Do(ctx, r) != nil {
			break
		}
		open = append(open, w)
	}
	for _, w := range open {
		w.Finish(end)
	}
	return len(open)
}
