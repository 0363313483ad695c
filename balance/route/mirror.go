// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Million is the share of all calls, in parts per million.
const Million = 1_000_000

// What a MirrorConfig leaves out.
const (
	DefaultMirrored      = 100
	DefaultMirrorTimeout = 15 * time.Second
)

// MirrorConfig bounds a Mirror.
type MirrorConfig struct {
	// MaxInFlight is how many copies there may be at once; a call beyond is not
	// mirrored. 0 is 100; negative is refused.
	MaxInFlight int
	// Timeout is of one copy, its answer included. 0 is 15 s; negative is refused.
	Timeout time.Duration
}

// errMirrorTimeout ends copies that take too long; errMirrorClosed all, at Close.
var (
	errMirrorTimeout = &enmesh.Error{
		Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Flag: enmesh.FlagTimeout, Policy: "route",
		Err: errors.New("the mirrored call took too long"),
	}
	errMirrorClosed = &enmesh.Error{
		Code: enmesh.Canceled, Outcome: enmesh.Neutral, Policy: "route", Err: errors.New("the mirror is closed"),
	}
)

// Mirror sends copies of calls elsewhere, beside the calls and without any bearing on
// them (Istio's mirrors; Envoy's request_mirror_policies). One Mirror serves all routes
// of a process and bounds them together.
//
// A copy is a call of its own: it has the path, header and body that the call has
// where the mirror stands, "-shadow" after the host of its authority, its own route,
// endpoint, gates and deadline, and it is marked as not sampled for traces. Whatever
// becomes of it, the caller neither waits for it nor hears of it; what it is
// answered is read, up to a bound of the adapter's, and dropped.
//
// A call is not copied, and counted so, when its body is larger than what the adapter
// keeps or cannot be had twice, when it is a stream of gRPC's, and when there are too
// many copies already.
type Mirror struct {
	cfg    MirrorConfig
	draw   func(n uint32) uint32
	ctx    context.Context //nolint:containedctx // of the copies, ended by Close
	cancel context.CancelCauseFunc

	mu     sync.Mutex // guards closed, and that no copy starts after it
	closed bool
	wait   sync.WaitGroup

	inFlight                     atomic.Int64
	sent, busy, uncopied, failed atomic.Uint64
}

// NewMirror makes a Mirror, to be closed.
func NewMirror(cfg MirrorConfig) (*Mirror, error) {
	if cfg.MaxInFlight < 0 || cfg.Timeout < 0 {
		return nil, fmt.Errorf("route: mirror: MaxInFlight %d and Timeout %v must not be negative", cfg.MaxInFlight, cfg.Timeout)
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = DefaultMirrored
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultMirrorTimeout
	}
	m := &Mirror{cfg: cfg, draw: rand.Uint32N}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	return m, nil
}

// Shadow is a place that copies go to.
type Shadow struct {
	Route *enmesh.Route // with the destination, and the chain to it
	Share uint32        // of the calls, in parts per million; from Million on: all
}

// Middleware mirrors the calls of a route, each to every shadow by itself. It is nil,
// which enmesh.Chain leaves out, if there are none. It stands inside header edits and
// rewrites and above retry, so that a call is copied once. The route has to resend
// (enmesh.Route.Resends), or bodies without GetBody are not kept for copies.
func (m *Mirror) Middleware(shadows ...Shadow) enmesh.Middleware {
	var to []mirrored
	for _, s := range shadows {
		if s.Share > 0 {
			route := s.Route
			to = append(to, mirrored{enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return route }), s.Share})
		}
	}
	if len(to) == 0 {
		return nil
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			for _, s := range to {
				if s.share >= Million || m.draw(Million) < s.share {
					m.mirror(c, s.router)
				}
			}
			return next(ctx, c)
		}
	}
}

// mirrored is a Shadow as calls need it.
type mirrored struct {
	router enmesh.Router
	share  uint32
}

// mirror copies c and sends the copy on its way.
func (m *Mirror) mirror(c *enmesh.Call, to enmesh.Router) {
	if m.inFlight.Add(1) > int64(m.cfg.MaxInFlight) {
		m.inFlight.Add(-1)
		m.busy.Add(1)
		return
	}
	ctx, cancel := context.WithTimeoutCause(m.ctx, m.cfg.Timeout, errMirrorTimeout)
	k := copyOf(ctx, c)
	if k == nil || !m.start(func() { m.send(k, to, cancel) }) {
		m.inFlight.Add(-1)
		m.uncopied.Add(1)
		cancel()
	}
}

// copyOf is the copy that a shadow gets, or nil: not even a body that panics when it
// is asked for a second time is the call's trouble.
func copyOf(ctx context.Context, c *enmesh.Call) (k *enmesh.Carrier) {
	defer func() {
		if recover() != nil {
			k = nil
		}
	}()
	k, err := c.Copy(ctx)
	if err != nil {
		return nil
	}
	k.Call.Authority = shadowed(c.Authority)
	unsample(&k.Call)
	return k
}

// start runs f, unless the mirror is closed.
func (m *Mirror) start(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.wait.Go(f)
	return true
}

// send sends a copy and drops what it is answered.
func (m *Mirror) send(k *enmesh.Carrier, to enmesh.Router, cancel context.CancelFunc) {
	defer m.inFlight.Add(-1)
	defer cancel()
	err := error(enmesh.ErrPanic) // what is left when the chain panics or exits
	defer func() {
		_ = recover() // it is nobody's call
		if err != nil {
			m.failed.Add(1)
		}
		k.Finish(err)
	}()
	m.sent.Add(1)
	k.Enter(to)
	err = k.Run()
}

// MirrorStats is what a Mirror did.
type MirrorStats struct {
	Sent     uint64 // copies that went their way
	Failed   uint64 // of those, answered with an error or not at all
	Busy     uint64 // calls not mirrored: too many copies in flight
	Uncopied uint64 // calls not mirrored: streams, and bodies too large or not to be had twice
	InFlight int    // copies now
}

// Stats counts since the Mirror was made.
func (m *Mirror) Stats() MirrorStats {
	return MirrorStats{
		Sent: m.sent.Load(), Failed: m.failed.Load(), Busy: m.busy.Load(), Uncopied: m.uncopied.Load(),
		InFlight: int(max(m.inFlight.Load(), 0)),
	}
}

// Close ends all copies and waits for them. Calls made later are not mirrored.
func (m *Mirror) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel(errMirrorClosed)
	m.wait.Wait()
	return nil
}
