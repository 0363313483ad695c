// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/fallback"
)

var (
	failed  = &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}
	unsent  = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagConnectFailure}
	mine    = &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral, Status: 404}
	refused = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Status: 503, Policy: "breaker"}
	spent   = &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Flag: enmesh.FlagTimeout, Policy: "timeout"}
)

var hello = fallback.Static{Status: 200, Body: "hello"}

func mustNew(tb testing.TB, cfg fallback.Config, opts ...fallback.Option) enmesh.Middleware {
	tb.Helper()
	m, err := fallback.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// mark is the fallback header of what the caller gets, "" for the far side's own.
func mark(w *enmeshtest.Wire, err error) string {
	if r := w.Call().ReplyFor(err); r != nil {
		return strings.Join(r.Header[fallback.Header], ",")
	}
	return ""
}

func TestFallback_appliesTo(t *testing.T) {
	tests := []struct {
		name string
		on   string
		err  error
		want bool
	}{
		{"a failure", "", failed, true},
		{"nobody reached", "", unsent, true},
		{"a breaker's refusal", "", refused, true},
		{"a timeout of a policy", "", spent, true},
		{"a foreign error", "", errors.New("foreign"), true},
		{"the caller's fault", "", mine, false},
		{"a cancellation", "", enmesh.ErrCanceled, false},
		{"the caller's deadline", "", enmesh.ErrDeadline, false},
		{"success", "", nil, false},
		{"what is listed", "refused", refused, true},
		{"what is not listed", "refused", failed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mustNew(t, fallback.Config{On: resilience.MustOn(tt.on), Static: hello})
			w := enmeshtest.NewWire(enmeshtest.Answer(tt.err))
			err := w.Do(t.Context(), enmesh.Fixed(false, m))
			if got := mark(w, err) == "static"; got != tt.want || tt.want && err != nil {
				t.Errorf("replaced: %v, the chain ends with %v; want %v", got, err, tt.want)
			}
			if !tt.want && !errors.Is(err, tt.err) {
				t.Errorf("the chain ends with %v, want %v", err, tt.err)
			}
			w.Finish(nil)
		})
	}
}

func TestFallback_notForACallerWhoIsGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { cancel(); return failed })
	if err := w.Do(ctx, enmesh.Fixed(false, mustNew(t, fallback.Config{Static: hello}))); !errors.Is(err, failed) {
		t.Errorf("got %v, want the far side's failure", err)
	}
}

// A policy's own deadline is no reason to leave the caller without an answer.
func TestFallback_afterADeadlineOfAPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, spent)
		defer cancel()
		w := enmeshtest.NewWire(enmeshtest.Hang())
		m := mustNew(t, fallback.Config{Static: hello, Destination: enmesh.Destination{Service: "spare"}})
		err := w.Do(ctx, enmesh.Fixed(true, m))
		if mark(w, err) != "static" || w.Sent() != 1 {
			t.Errorf("got %v, %q after %d attempts; want the static answer after one", err, mark(w, err), w.Sent())
		}
		w.Finish(nil)
	})
}

func TestFallback_notOverAnAnswerThatBegan(t *testing.T) {
	w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error { c.Answer.Status = 500; return failed })
	w.Call().Side = enmesh.Server
	if err := w.Do(t.Context(), enmesh.Fixed(false, mustNew(t, fallback.Config{Static: hello}))); !errors.Is(err, failed) {
		t.Errorf("got %v, want the handler's failure", err)
	}
}

func TestFallback_staticErrors(t *testing.T) {
	w := enmeshtest.NewWire(enmeshtest.Answer(failed))
	err := w.Do(t.Context(), enmesh.Fixed(false, mustNew(t, fallback.Config{Static: fallback.Static{Status: 503, Body: "later"}})))
	r := w.Call().ReplyFor(err)
	if !errors.Is(err, fallback.ErrStatic) || r == nil || r.Status != 503 || string(r.Body) != "later" || enmesh.OutcomeOf(err) != enmesh.Neutral {
		t.Errorf("got %v with %+v, want 503 and ErrStatic", err, r)
	}
}

func TestFallback_asksAnotherDestination(t *testing.T) {
	spare := enmesh.Destination{Service: "spare", Port: 8080}
	tests := []struct {
		name       string
		first      error
		then       error
		idempotent bool
		once       bool
		want       error
		sent       int
		mark       string
	}{
		{"a failure", failed, nil, true, false, nil, 2, ""},
		{"not twice what may have happened", failed, nil, false, false, nil, 1, "static"},
		{"what never got there", unsent, nil, false, false, nil, 2, ""},
		{"what was refused here", refused, nil, false, false, nil, 2, ""},
		{"a body that is gone", unsent, nil, true, true, nil, 1, "static"},
		{"the other fails, too", failed, unsent, true, false, nil, 2, "static"},
		{"the other's own word", failed, mine, true, false, mine, 2, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen []enmesh.Destination
			passed := 0
			note := func(err error) enmeshtest.Step {
				return func(_ context.Context, c *enmesh.Call) error { seen = append(seen, c.Destination); return err }
			}
			through := func(next enmesh.Next) enmesh.Next {
				return func(ctx context.Context, c *enmesh.Call) error { passed++; return next(ctx, c) }
			}
			m := mustNew(t, fallback.Config{Destination: spare, Static: hello}, fallback.Through(through))
			w := enmeshtest.NewWire(note(tt.first), note(tt.then))
			w.Once = tt.once
			w.Call().Idempotent, w.Call().Service = tt.idempotent, "main"
			err := w.Do(t.Context(), enmesh.Fixed(true, m))
			w.Finish(nil)
			if !errors.Is(err, tt.want) || w.Sent() != tt.sent || mark(w, err) != tt.mark || passed != tt.sent-1 {
				t.Errorf("got %v after %d attempts, %d through, %q; want %v after %d, %q", err, w.Sent(), passed, mark(w, err), tt.want, tt.sent, tt.mark)
			}
			if seen[0].Service != "main" || tt.sent == 2 && seen[1] != spare {
				t.Errorf("went to %v, want main and then %v", seen, spare)
			}
		})
	}
}

func TestFallback_asksAFunction(t *testing.T) {
	answer := &enmesh.Reply{Status: 203, Header: map[string][]string{"X-A": {"b"}}, Body: []byte("made")}
	for name, f := range map[string]fallback.Func{
		"function": func(_ context.Context, _ *enmesh.Call, err error) *enmesh.Reply {
			if !errors.Is(err, failed) {
				t.Errorf("the function gets %v, want the failure", err)
			}
			return answer
		},
		"static": func(context.Context, *enmesh.Call, error) *enmesh.Reply { return nil },
	} {
		w := enmeshtest.NewWire(enmeshtest.Answer(failed))
		err := w.Do(t.Context(), enmesh.Fixed(false, mustNew(t, fallback.Config{Static: hello}, fallback.Function(f))))
		if got := mark(w, err); err != nil || got != name {
			t.Errorf("got %v and %q, want %q", err, got, name)
		}
		w.Finish(nil)
	}
	if len(answer.Header) != 1 {
		t.Errorf("the function's header was written: %v", answer.Header)
	}
}

func TestFallback_inShadowReplacesNothing(t *testing.T) {
	r := &enmeshtest.Recorder{}
	called := false
	m := mustNew(t, fallback.Config{Static: hello, Destination: enmesh.Destination{Service: "spare"}, Shadow: true, Recorder: r},
		fallback.Function(func(context.Context, *enmesh.Call, error) *enmesh.Reply { called = true; return nil }))
	w := enmeshtest.NewWire(enmeshtest.Answer(unsent))
	err := w.Do(t.Context(), enmesh.Fixed(true, m))
	got := r.Decisions()
	if !errors.Is(err, unsent) || w.Sent() != 1 || called || len(got) != 1 || got[0] != (enmesh.Decision{Policy: "fallback", Action: enmesh.ActionReplace, Shadow: true}) {
		t.Errorf("got %v after %d attempts, function called %v, recorded %v", err, w.Sent(), called, got)
	}
}

func TestFallback_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []fallback.Config{
		{On: resilience.MustOn("not-found")},
		{On: resilience.MustOn("failure,404")},
		{On: resilience.MustOn("200")},
		{Destination: enmesh.Destination{Port: 80}},
		{Cache: fallback.Cache{MaxAge: time.Second}},
		{Cache: fallback.Cache{On: true, MaxAge: -1}},
		{Cache: fallback.Cache{On: true, MaxEntries: -1}},
		{Cache: fallback.Cache{On: true, MaxBytes: 2 << 30}},
		{Static: fallback.Static{Body: "x"}},
		{Static: fallback.Static{Status: 199}},
		{Static: fallback.Static{Status: 600}},
		{Static: fallback.Static{Status: 200, ContentType: "a\r\nb"}},
		{Static: fallback.Static{Status: 200, Body: strings.Repeat("x", fallback.MaxBody+1)}},
		{Static: fallback.Static{Message: "x"}},
	} {
		if _, err := fallback.New(cfg); err == nil {
			t.Errorf("New(%+v) is accepted, want an error", cfg)
		}
	}
}

func TestFallback_conforms(t *testing.T) {
	for name, cfg := range map[string]fallback.Config{
		"nothing":     {},
		"static":      {Static: hello},
		"destination": {Destination: enmesh.Destination{Service: "spare"}},
		"all":         {Destination: enmesh.Destination{Service: "spare"}, Cache: fallback.Cache{On: true}, Static: hello},
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return mustNew(t, cfg) })
		})
	}
}

func TestFallback_costsASuccessNothing(t *testing.T) {
	next := mustNew(t, fallback.Config{Static: hello})(func(context.Context, *enmesh.Call) error { return nil })
	c := &enmesh.Call{}
	if n := testing.AllocsPerRun(1000, func() { _ = next(context.Background(), c) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkFallback(b *testing.B) {
	for name, err := range map[string]error{"success": nil, "static": failed} {
		b.Run(name, func(b *testing.B) {
			next := mustNew(b, fallback.Config{Static: hello})(func(context.Context, *enmesh.Call) error { return err })
			c, ctx := &enmesh.Call{}, context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = next(ctx, c)
			}
		})
	}
}
