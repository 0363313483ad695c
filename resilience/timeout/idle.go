// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// ErrIdle is found in the error of a stream that [Idle] has ended, beside [ErrTimeout].
var ErrIdle = errors.New("nothing was sent or received")

// IdleConfig is how long nothing may cross a stream. It is comparable.
type IdleConfig struct {
	// Limit is that time. 0 is none; refused unless within 1 ms to 24 h.
	Limit time.Duration
	// Shadow ends nothing: it tells the Recorder, once for each stream that falls silent.
	Shadow bool
	// Recorder is told of streams that fell silent, shadow or not, on a goroutine of its
	// own. nil is nobody.
	Recorder enmesh.Recorder
}

// Idle ends a call whose answer runs on when for that long no message of it was sent or
// received: Envoy's stream idle timeout, with the error [ErrIdle]: DeadlineExceeded, 504, UT, a
// Failure. It stands outside a retry, beside Overall.
//
// For gRPC streams both directions count. On a client time runs from when the stream is
// open, on a server from when the handler is called; a handler that waits for a message then
// gets the error. For HTTP the pieces of the answer's body count, once it has begun; a
// handler that waits for anything but its context is not interrupted. Unary gRPC calls have nothing that runs on.
//
// What the caller does not read has not been received: who needs longer for a message than the
// limit loses the stream. One that is watched costs a clock read for each message.
func Idle(cfg IdleConfig) (enmesh.Middleware, error) {
	if cfg.Limit != 0 && (cfg.Limit < time.Millisecond || cfg.Limit > 24*time.Hour) {
		return nil, fmt.Errorf("timeout: Limit %v is not within 1ms to 24h", cfg.Limit)
	}
	expiry := expiryOf(cfg.Limit, "call")
	expiry.Err = fmt.Errorf("%w: %w for %v: %w", ErrTimeout, ErrIdle, cfg.Limit, context.DeadlineExceeded)
	return func(next enmesh.Next) enmesh.Next {
		if cfg.Limit == 0 {
			return next
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			if !c.Streams() {
				return next(ctx, c)
			}
			return newSilence(ctx, c, &cfg, expiry).run(next)
		}
	}, nil
}

// silence waits for one call to fall silent. It is the Watcher of the call, and a gate that
// waits for its end.
type silence struct {
	cfg    *IdleConfig
	expiry *enmesh.Error
	ctx    context.Context //nolint:containedctx // of one call
	cancel context.CancelCauseFunc
	call   *enmesh.Call
	before enmesh.Watcher // whom to tell too
	timer  *time.Timer    // stopped until the call may fall silent
	last   atomic.Int64   // an Instant: when something moved; 0: the timer does not run
	over   atomic.Bool
}

func newSilence(ctx context.Context, c *enmesh.Call, cfg *IdleConfig, expiry *enmesh.Error) *silence {
	s := &silence{cfg: cfg, expiry: expiry, call: c}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.timer = time.AfterFunc(time.Hour, s.look)
	s.timer.Stop()
	c.Keep() // for the timer, which may just have run out when the call ends
	s.before = c.Watch(s)
	return s
}

func (s *silence) run(next enmesh.Next) error {
	c := s.call
	defer s.onPanic()
	if c.Side == enmesh.Server && c.Kind != enmesh.Unary {
		s.Moved() // the handler runs as long as its stream
	}
	err := next(s.ctx, c)
	if err != nil && c.Answer.Status == 0 || c.Side == enmesh.Server {
		s.Done(enmesh.Token{}, enmesh.Result{})
		return err
	}
	s.Moved()
	c.Defer(s, enmesh.Token{})
	return err
}

// onPanic ends what next did not come to the end of.
func (s *silence) onPanic() {
	if s.last.Load() == 0 || s.call.Side == enmesh.Server {
		s.Done(enmesh.Token{}, enmesh.Result{})
	}
}

// Moved notes that the call is not silent. The first time starts the timer.
func (s *silence) Moved() {
	if s.before != nil {
		s.before.Moved()
	}
	if s.last.Swap(int64(enmesh.Now())) == 0 && !s.over.Load() {
		s.timer.Reset(s.cfg.Limit)
	}
}

// look runs on the timer's goroutine.
func (s *silence) look() {
	if s.over.Load() {
		return
	}
	now := enmesh.Now()
	end := enmesh.Instant(s.last.Load()).Add(s.cfg.Limit)
	switch {
	case now < end:
		s.timer.Reset(end.Sub(now))
		return
	case enmesh.Standstill(end.Time(), now.Time()): // what came meanwhile may lie unread
		s.last.Store(int64(now))
		s.timer.Reset(s.cfg.Limit)
		return
	}
	if s.cfg.Recorder != nil {
		s.cfg.Recorder.Record(s.call, enmesh.Decision{Policy: "timeout", Action: enmesh.ActionTimeout, Shadow: s.cfg.Shadow})
	}
	if !s.cfg.Shadow {
		s.cancel(s.expiry)
	}
}

// Admit is never called: a silence is only ever deferred.
func (s *silence) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done ends the watch.
func (s *silence) Done(enmesh.Token, enmesh.Result) {
	s.over.Store(true)
	s.timer.Stop()
	s.cancel(nil)
}
