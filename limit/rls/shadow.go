// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"context"
	"sync"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/enmesh-go/enmesh"
)

// maxBeside is how many asks are under way at once in shadow.
const maxBeside = 256

// beside runs the asks of a limiter in shadow.
type beside struct {
	ctx    context.Context //nolint:containedctx // of the goroutines that close ends
	cancel context.CancelFunc
	slots  chan struct{} // an ask under way holds one
	mu     sync.Mutex    // guards closed, and that none is added to work after it
	closed bool
	work   sync.WaitGroup
}

func newBeside() *beside {
	b := &beside{slots: make(chan struct{}, maxBeside)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// run runs f on a goroutine of its own, unless too many run.
func (b *beside) run(f func(ctx context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	select {
	case b.slots <- struct{}{}:
	default:
		return false
	}
	b.work.Go(func() {
		defer func() { <-b.slots }()
		f(b.ctx)
	})
	return true
}

func (b *beside) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.work.Wait()
}

// rehearse asks about a call that goes on meanwhile, and tells of a refusal.
func (l *Limiter) rehearse(c *enmesh.Call, what *service.RateLimitRequest) {
	d := &enmesh.Call{ // for whoever is told, when c may be over
		Side: c.Side, Protocol: c.Protocol, Kind: c.Kind,
		Destination: c.Destination, Method: c.Method, Path: c.Path, Route: c.Route, Clock: c.Clock,
	}
	if !l.beside.run(func(ctx context.Context) { l.pretend(ctx, d, what) }) {
		l.skipped.Add(1)
	}
}

func (l *Limiter) pretend(ctx context.Context, d *enmesh.Call, what *service.RateLimitRequest) {
	answer, err := l.ask(ctx, what)
	switch {
	case err != nil:
		if ctx.Err() != nil || l.unknown(ctx, d) == nil {
			return
		}
	case answer.GetOverallCode() == service.RateLimitResponse_OVER_LIMIT:
		l.limited.Add(1)
	default:
		l.allowed.Add(1)
		return
	}
	if l.cfg.Recorder != nil {
		l.cfg.Recorder.Record(d, enmesh.Decision{Policy: "limit", Action: enmesh.ActionRefuse, Shadow: true})
	}
}
