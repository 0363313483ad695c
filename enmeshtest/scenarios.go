// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"
	"errors"
	"runtime"
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

	thrown int  // so many picks are thrown away before the one that each attempt goes with
	late   bool // and are told so only when the next has been made
}

var errFar = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

var errMine = &enmesh.Error{Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Status: 400}

var errRefused = &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "enmeshtest", Err: errors.New("refused")}

// scenarios lists every way that a call can end; the first takes some time and succeeds.
func scenarios() []scenario {
	panics := func(context.Context, *enmesh.Call) error { panic("enmeshtest: scripted panic") }
	exits := func(context.Context, *enmesh.Call) error { runtime.Goexit(); return nil }
	slowly := func(ctx context.Context, c *enmesh.Call) error {
		select {
		case <-time.After(100 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return c.EndOf(ctx)
		}
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
		{name: "success, after a while", steps: []Step{slowly}},
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
		{name: "a pick is thrown away", steps: []Step{Answer(nil)}, thrown: 1},
		{name: "a pick is thrown away, unary gRPC", steps: []Step{Answer(nil)}, setup: grpc, thrown: 1},
		{name: "two picks are thrown away, then failure", steps: []Step{Answer(errFar)}, thrown: 2},
		{name: "a pick is thrown away after the next", steps: []Step{Answer(nil)}, thrown: 1, late: true, until: expires},
		{name: "one fork wins, the others are cancelled", steps: []Step{Answer(nil), Hang()}, outer: []enmesh.Middleware{Race(3)}},
		{name: "two forks win at once", steps: []Step{Answer(nil)}, outer: []enmesh.Middleware{Race(2)}},
		{name: "every fork fails", steps: []Step{Answer(errFar)}, outer: []enmesh.Middleware{Race(3)}},
		{name: "a fork panics", steps: []Step{panics, Answer(nil)}, outer: []enmesh.Middleware{Race(2)}},
	}
}
