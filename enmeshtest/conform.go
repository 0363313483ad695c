// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
)

// scenario is one way for a call to go and end.
type scenario struct {
	name  string
	steps []Step
	setup func(w *Wire)
	outer []enmesh.Middleware            // stands above what is tested
	drive func(w *Wire, r enmesh.Router) // nil: do, then finish
	until func(ctx context.Context) (context.Context, context.CancelFunc)
}

var errFar = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

var errMine = &enmesh.Error{Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Status: 400}

var errRefused = &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "enmeshtest", Err: errors.New("refused")}

// scenarios lists every way that a call can end.
func scenarios() []scenario {
	panics := func(context.Context, *enmesh.Call) error { panic("enmeshtest: scripted panic") }
	exits := func(context.Context, *enmesh.Call) error { runtime.Goexit(); return nil }
	thrown := func(ctx context.Context, c *enmesh.Call) error {
		k := enmesh.CarrierOf(ctx)
		k.Picked(&Endpoint{Address: "a:1"}, enmesh.Now())
		k.Picked(&Endpoint{Address: "b:1"}, enmesh.Now())
		return nil
	}
	cancels := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	}
	expires := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	}
	grpc := func(w *Wire) { w.Call().Protocol = enmesh.GRPC }
	return []scenario{
		{name: "success, body read", steps: []Step{Answer(nil)}},
		{name: "success, unary gRPC", steps: []Step{Answer(nil)}, setup: grpc},
		{name: "success, body cut", steps: []Step{Answer(nil)}, drive: func(w *Wire, r enmesh.Router) {
			_ = w.Do(context.Background(), r)
			w.Finish(errFar)
			w.Finish(nil)
		}},
		{name: "stream ends while its chain runs", steps: []Step{func(ctx context.Context, _ *enmesh.Call) error {
			enmesh.CarrierOf(ctx).End(nil, enmesh.Now())
			return nil
		}}},
		{name: "the stream's end races the chain", steps: []Step{func(ctx context.Context, _ *enmesh.Call) error {
			go enmesh.CarrierOf(ctx).End(nil, enmesh.Now())
			return nil
		}}},
		{name: "failure", steps: []Step{Answer(errFar)}},
		{name: "failure, cannot be sent again", steps: []Step{Answer(errFar)}, setup: func(w *Wire) { w.Once = true }},
		{name: "failure, idempotent", steps: []Step{Answer(errFar)}, setup: func(w *Wire) { w.Call().Idempotent = true }},
		{name: "failure, then success", steps: []Step{Answer(errFar), Answer(nil)}, setup: func(w *Wire) { w.Call().Idempotent = true }},
		{name: "the caller's fault", steps: []Step{Answer(errMine)}},
		{name: "refused further in", steps: []Step{Answer(errRefused)}},
		{name: "a foreign error", steps: []Step{Answer(errors.New("enmeshtest: foreign"))}},
		{name: "panic", steps: []Step{panics}},
		{name: "panic on the second attempt", steps: []Step{Answer(errFar), panics}, setup: func(w *Wire) { w.Call().Idempotent = true }},
		{name: "goexit", steps: []Step{exits}},
		{name: "cancelled", steps: []Step{Hang()}, until: cancels},
		{name: "the caller's deadline", steps: []Step{Hang()}, until: expires},
		{name: "cancelled between attempts", steps: []Step{Answer(errFar)}, setup: func(w *Wire) { w.Call().Idempotent = true }, until: cancels},
		{name: "a pick is thrown away", steps: []Step{thrown}},
		{name: "one fork wins, the others are cancelled", steps: []Step{Answer(nil), Hang()}, outer: []enmesh.Middleware{Race(3)}},
		{name: "two forks win at once", steps: []Step{Answer(nil)}, outer: []enmesh.Middleware{Race(2)}},
		{name: "every fork fails", steps: []Step{Answer(errFar)}, outer: []enmesh.Middleware{Race(3)}},
		{name: "a fork panics", steps: []Step{panics, Answer(nil)}, outer: []enmesh.Middleware{Race(2)}},
	}
}

// TestMiddleware puts a middleware through every way a call can end, between a gate
// above it and a gate below it, and fails t unless each of the two hears of every
// call exactly once. build is called for each scenario, inside its bubble. The
// middleware may refuse, retry, delay or answer by itself; it may not keep a call
// for ever.
func TestMiddleware(t *testing.T, build func() enmesh.Middleware) {
	t.Helper()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { conform(t, s, build()) })
		})
	}
}

// TestGate puts a gate through the same scenarios as [TestMiddleware], lifted by
// enmesh.Guard, and checks what a gate owes besides: Done returns at once, a refusal
// is a Neutral *enmesh.Error that names its policy, and a gate that was filled with
// calls admits again a day after they ended, whatever they ended with. The scenarios it
// does once more in shadow (enmesh.Shadow), where every call has to go through.
func TestGate(t *testing.T, build func() enmesh.Gate) {
	t.Helper()
	TestMiddleware(t, func() enmesh.Middleware { return enmesh.Guard(&judge{t: t, gate: build()}) })
	t.Run("many at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { crowd(t, &judge{t: t, gate: build()}) })
	})
	for name, end := range map[string]error{"successes": nil, "failures": errFar, "callers' faults": errMine, "refusals": errRefused} {
		t.Run("opens again after "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { reopens(t, build(), end) })
		})
	}
	t.Run("in shadow", func(t *testing.T) {
		TestMiddleware(t, func() enmesh.Middleware { return enmesh.Guard(enmesh.Shadow(build(), "enmeshtest", nil)) })
		synctest.Test(t, func(t *testing.T) {
			if got := crowd(t, enmesh.Shadow(build(), "enmeshtest", nil)); got != crowdSize {
				t.Errorf("%d of %d calls went through in shadow, want all", got, crowdSize)
			}
		})
	})
}

// crowdSize is how many calls are made at once.
const crowdSize = 100

func conform(t *testing.T, s scenario, m enmesh.Middleware) {
	t.Helper()
	above, below := &Gate{}, &Gate{}
	chain := append([]enmesh.Middleware{enmesh.Guard(above)}, s.outer...)
	chain = append(chain, m, enmesh.Guard(below))
	w := NewWire(s.steps...)
	if s.setup != nil {
		s.setup(w)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		run(w, enmesh.Fixed(true, chain...), s)
	}()
	<-done
	synctest.Wait()
	w.Finish(nil) // what a caller that abandons an answer does at last
	synctest.Wait()
	if err := above.Settled(); err != nil {
		t.Errorf("gate above: %v", err)
	}
	if err := below.Settled(); err != nil {
		t.Errorf("gate below: %v", err)
	}
	if got := above.Admits(); got != 1 {
		t.Errorf("gate above admitted %d calls, want 1", got)
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
