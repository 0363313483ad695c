// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBusy = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}

// again sends a failed call once more.
func again(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		err := next(ctx, c)
		if err != nil && c.Again() {
			return next(ctx, c)
		}
		return err
	}
}

// recorder notes what it observes.
type recorder struct{ results []enmesh.Result }

func (o *recorder) Observe(r enmesh.Result) { o.results = append(o.results, r) }

func TestCalls_standAboveTheRetry(t *testing.T) {
	calls, attempts := &recorder{}, &recorder{}
	r := enmesh.Fixed(true, telemetry.Calls(nil, calls), again, telemetry.Attempts(attempts, nil))
	w := enmeshtest.NewWire(enmeshtest.Answer(errBusy), enmeshtest.Answer(nil))
	if err := w.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if len(calls.results) != 0 || len(attempts.results) != 1 {
		t.Errorf("before the body's end %d calls and %d attempts were told of, want 0 and 1",
			len(calls.results), len(attempts.results))
	}
	w.Finish(nil)
	if len(calls.results) != 1 || calls.results[0].Outcome != enmesh.Success || calls.results[0].Call != w.Call() {
		t.Errorf("calls %+v, want one success that names its call", calls.results)
	}
	if len(attempts.results) != 2 || attempts.results[0].Err != errBusy || attempts.results[1].Err != nil {
		t.Errorf("attempts %+v, want a failure and a success", attempts.results)
	}
}

func TestCalls_hearOfPanics(t *testing.T) {
	calls := &recorder{}
	r := enmesh.Fixed(false, enmesh.Recover(nil), telemetry.Calls(calls))
	w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { panic("boom") })
	_ = w.Do(t.Context(), r)
	if len(calls.results) != 1 || enmesh.CodeOf(calls.results[0].Err) != enmesh.Internal {
		t.Errorf("calls %+v, want one with code INTERNAL", calls.results)
	}
}

func TestCalls_conform(t *testing.T) {
	silent := telemetry.ObserverFunc(func(enmesh.Result) {})
	for name, m := range map[string]enmesh.Middleware{
		"calls": telemetry.Calls(silent), "attempts": telemetry.Attempts(silent),
		"no calls": telemetry.Calls(), "no attempts": telemetry.Attempts(nil),
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return m })
		})
	}
}

func TestCalls_allocateNothing(t *testing.T) {
	silent := telemetry.ObserverFunc(func(enmesh.Result) {})
	measure := func(r enmesh.Router) float64 {
		return testing.AllocsPerRun(500, func() {
			w := enmeshtest.NewWire()
			_ = w.Do(context.Background(), r)
			w.Finish(nil)
		})
	}
	bare := measure(enmesh.Fixed(false))
	told := measure(enmesh.Fixed(false, telemetry.Calls(silent, silent), telemetry.Attempts(silent)))
	if told > bare {
		t.Errorf("a call costs %v allocations, %v without telemetry: want no difference", told, bare)
	}
}

func ExampleCalls() {
	log := telemetry.ObserverFunc(func(r enmesh.Result) {
		fmt.Println(r.Call.Method, r.Call.Path, telemetry.Status(r), r.Outcome, "attempts:", r.Call.Attempt)
	})
	router := enmesh.Fixed(true, telemetry.Calls(log), again)

	w := enmeshtest.NewWire(enmeshtest.Answer(errBusy), enmeshtest.Answer(nil))
	w.Call().Method, w.Call().Path = "GET", "/reviews/1"
	_ = w.Do(context.Background(), router)
	w.Finish(nil) // the caller has read the body
	// Output: GET /reviews/1 200 success attempts: 2
}

func ExampleAttempts() {
	count := 0
	attempts := telemetry.ObserverFunc(func(enmesh.Result) { count++ })
	router := enmesh.Fixed(true, again, telemetry.Attempts(attempts))

	w := enmeshtest.NewWire(enmeshtest.Answer(errBusy), enmeshtest.Answer(nil))
	_ = w.Do(context.Background(), router)
	w.Finish(nil)
	fmt.Println(count)
	// Output: 2
}
