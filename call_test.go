// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

var errFar = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

func TestCall_sizeIsBounded(t *testing.T) {
	if got := unsafe.Sizeof(enmesh.Call{}); got > 512 {
		t.Errorf("a Call is %d bytes, want at most 512", got)
	}
}

func TestCall_hooksRunOnceLastFirst(t *testing.T) {
	var order []int
	var results []enmesh.Result
	register := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			for i := range 7 { // more than are held inline
				c.OnFinish(func(r enmesh.Result) { order = append(order, i); results = append(results, r) })
			}
			return next(ctx, c)
		}
	}
	w := enmeshtest.NewWire()
	if err := w.Do(t.Context(), enmesh.Fixed(false, register)); err != nil {
		t.Fatal(err)
	}
	if len(order) != 0 {
		t.Errorf("hooks %v ran before the body had ended", order)
	}
	w.Finish(nil)
	w.Finish(errFar)
	if want := []int{6, 5, 4, 3, 2, 1, 0}; !reflect.DeepEqual(order, want) {
		t.Errorf("hooks ran in order %v, want %v", order, want)
	}
	for _, r := range results {
		if r != results[0] || r.Outcome != enmesh.Success || r.Answered == 0 || r.Ended < r.Answered {
			t.Errorf("result %+v, want one shared success with both instants", r)
		}
	}
}

func TestCall_hookThatPanicsDoesNotStopTheRest(t *testing.T) {
	ran := false
	register := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.OnFinish(func(enmesh.Result) { ran = true })
			c.OnFinish(func(enmesh.Result) { panic("hook") })
			return next(ctx, c)
		}
	}
	w := enmeshtest.NewWire()
	_ = w.Do(t.Context(), enmesh.Fixed(false, register))
	var said strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	defer slog.SetDefault(before)
	w.Finish(nil)
	if !strings.Contains(said.String(), "value=hook") {
		t.Errorf("the log says %q, want the hook's panic", said.String())
	}
	if !ran {
		t.Error("the hook behind the panicking one did not run")
	}
}

func TestCall_endRacesTheChain(t *testing.T) {
	for range 200 {
		gate := &enmeshtest.Gate{}
		var wg sync.WaitGroup
		w := enmeshtest.NewWire(func(ctx context.Context, _ *enmesh.Call) error {
			wg.Go(func() { enmesh.CarrierOf(ctx).End(nil, enmesh.Now()) })
			return nil
		})
		_ = w.Do(t.Context(), enmesh.Fixed(false, enmesh.Guard(gate), enmesh.Guard(gate)))
		wg.Wait()
		if err := gate.Settled(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCall_theChainsErrorGoesBeforeTheWires(t *testing.T) {
	gate := &enmeshtest.Gate{}
	record := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			token, _ := gate.Admit(ctx, c)
			c.Defer(gate, token)
			return next(ctx, c)
		}
	}
	_ = enmeshtest.NewWire(enmeshtest.Answer(errFar)).Do(t.Context(), enmesh.Fixed(false, record))
	if got := gate.Results(); len(got) != 1 || !errors.Is(got[0].Err, errFar) {
		t.Errorf("results %v, want the chain's error once", got)
	}
}

func TestCall_againDropsTheAnswerAndCounts(t *testing.T) {
	first := &enmeshtest.Endpoint{Address: "a:1"}
	var attempts []int
	w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
		attempts = append(attempts, c.Attempt)
		if c.Attempt > 1 {
			if !c.HasTried() || !c.Tried(first) || c.Endpoint != nil || c.Answer.Status != 0 {
				t.Errorf("second attempt starts with tried %v, endpoint %v, answer %v", c.Tried(first), c.Endpoint, c.Answer)
			}
			return nil
		}
		if c.HasTried() || c.Tried(first) {
			t.Error("tried before anything was")
		}
		enmesh.CarrierOf(ctx).Picked(first, enmesh.Now())
		c.Answer.Status = 503
		return errFar
	})
	again := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := next(ctx, c); err == nil || !c.Again() {
				return err
			}
			return next(ctx, c)
		}
	}
	if err := w.Do(t.Context(), enmesh.Fixed(true, again)); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
	if !reflect.DeepEqual(attempts, []int{1, 2}) || w.Discarded() != 1 {
		t.Errorf("attempts %v, discarded %d; want [1 2] and 1", attempts, w.Discarded())
	}
	if w.Once = true; w.Call().Again() || w.Call().Attempt != 2 {
		t.Error("Again changed a call that cannot be sent again")
	}
}

func TestCall_repeatable(t *testing.T) {
	unsent := &enmesh.Error{Unsent: true}
	for _, tt := range []struct {
		name       string
		idempotent bool
		route      *enmesh.Route
		err        error
		want       bool
	}{
		{"a plain failure", false, nil, errFar, false},
		{"never reached the application", false, nil, unsent, true},
		{"idempotent by itself", true, nil, errFar, true},
		{"idempotent by its route", false, &enmesh.Route{Idempotent: true}, errFar, true},
		{"a foreign error", false, nil, errors.New("x"), false},
	} {
		c := &enmesh.Call{Idempotent: tt.idempotent, Route: tt.route}
		if got := c.Repeatable(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCall_forkTakesTheWholeRequest(t *testing.T) {
	w := enmeshtest.NewWire()
	c := w.Call()
	fill(reflect.ValueOf(c).Elem())
	c.Endpoint, c.Header, c.Route = nil, nil, nil
	want := map[string]bool{"Endpoint": true, "Header": true, "Route": true, "Attempt": true, "Answer": true, "Start": true, "Clock": true}
	fork := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			fctx, f, err := c.Fork(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if enmesh.FromContext(fctx) != f || enmesh.FromContext(ctx) != c {
				t.Error("a context does not carry its own call")
			}
			have, from := reflect.ValueOf(f).Elem(), reflect.ValueOf(c).Elem()
			for i := range have.NumField() {
				field := have.Type().Field(i)
				if !field.IsExported() || want[field.Name] {
					continue
				}
				if !reflect.DeepEqual(have.Field(i).Interface(), from.Field(i).Interface()) {
					t.Errorf("the fork's %s is %v, want %v", field.Name, have.Field(i), from.Field(i))
				}
			}
			f.Drop(enmesh.ErrLost)
			return next(ctx, c)
		}
	}
	_ = w.Do(t.Context(), enmesh.Fixed(true, fork))
	w.Finish(nil)
}

// fill sets every exported plain field to something.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		if !v.Type().Field(i).IsExported() {
			continue
		}
		switch f.Kind() { //nolint:exhaustive // the rest are set by the test
		case reflect.String:
			f.SetString("x")
		case reflect.Uint8, reflect.Uint16, reflect.Uint64:
			f.SetUint(1)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Struct:
			if v.Type().Field(i).Name == "Destination" {
				fill(f)
			}
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		}
	}
}

func TestCall_deadlineOfWhom(t *testing.T) {
	policy := &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Policy: "timeout"}
	for _, tt := range []struct {
		name  string
		ctx   func(ctx context.Context) (context.Context, context.CancelFunc)
		route enmesh.Route
		want  *enmesh.Error
	}{
		{"a caller with too little time", deadline(5*time.Millisecond, nil), enmesh.Route{}, enmesh.ErrDeadline},
		{"a caller with enough", deadline(2*time.Second, nil), enmesh.Route{}, enmesh.ErrSlow},
		{"enough for a shorter attempt timeout", deadline(200*time.Millisecond, nil), enmesh.Route{AttemptTimeout: 100 * time.Millisecond}, enmesh.ErrSlow},
		{"a policy's", deadline(2*time.Second, policy), enmesh.Route{}, policy},
		{"a cancel", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(5*time.Second, cancel)
			return ctx, cancel
		}, enmesh.Route{}, enmesh.ErrCanceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx(context.Background())
				defer cancel()
				w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
					enmesh.CarrierOf(ctx).Picked(&enmeshtest.Endpoint{}, enmesh.Now())
					<-ctx.Done()
					return c.EndOf(ctx)
				})
				route := tt.route
				route.Next = enmesh.Send
				err := w.Do(ctx, enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return &route }))
				if !errors.Is(err, tt.want) || enmesh.ErrorOf(err) != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func deadline(d time.Duration, cause *enmesh.Error) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		if cause == nil {
			return context.WithTimeout(ctx, d)
		}
		return context.WithTimeoutCause(ctx, d, cause)
	}
}

func TestCall_farSidesTimerFirst(t *testing.T) {
	policy := &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Policy: "timeout"}
	for _, tt := range []struct {
		name   string
		left   time.Duration
		expiry *enmesh.Error
		want   *enmesh.Error
	}{
		{"long before the deadline", time.Second, nil, nil},
		{"just before the caller's", 20 * time.Millisecond, nil, enmesh.ErrDeadline},
		{"just before the policy's", 20 * time.Millisecond, policy, policy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), tt.left)
				defer cancel()
				c := &enmesh.Call{Expiry: tt.expiry}
				if got := c.DeadlineOwner(ctx); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
	if got := (&enmesh.Call{}).DeadlineOwner(t.Context()); got != nil {
		t.Errorf("without a deadline: got %v, want nil", got)
	}
}

func TestCall_replyBelongsToItsError(t *testing.T) {
	refusal := &enmesh.Error{Status: 418, Policy: "tea"}
	reply := &enmesh.Reply{Status: 418}
	c := &enmesh.Call{}
	if got := c.ReplyFor(nil); got != nil {
		t.Errorf("before: %v", got)
	}
	if err := c.SetReply(reply, refusal); enmesh.ErrorOf(err) != refusal {
		t.Errorf("SetReply returned %v", err)
	}
	if c.ReplyFor(refusal) != reply || c.ReplyFor(errFar) != nil || c.ReplyFor(nil) != nil {
		t.Error("the reply was handed to another error, or not to its own")
	}
	if err := c.SetReply(&enmesh.Reply{Status: 200}, nil); err != nil || c.ReplyFor(nil) == nil || c.ReplyFor(errFar) != nil {
		t.Error("a reply without an error does not belong to success alone")
	}
}

func TestCarrier_contextPropagationStartsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enmeshtest.NewWire(func(ctx context.Context, _ *enmesh.Call) error {
			type key struct{}
			child, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
			if enmesh.CarrierOf(child) != enmesh.CarrierOf(ctx) {
				t.Error("the carrier is not found from a child")
			}
			_ = cancel // a goroutine per child would keep the bubble from ending
			return nil
		})
		ctx, cancel := context.WithCancel(context.Background())
		_ = w.Do(ctx, enmesh.Fixed(false))
		w.Finish(nil)
		cancel()
	})
}
