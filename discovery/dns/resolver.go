// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// Resolver is a [discovery.Resolver] and a [discovery.Looker] over DNS. It has no
// goroutine but those of its watches, and is safe for concurrent use.
type Resolver struct {
	cfg Config
}

// New makes a Resolver. It asks nothing yet.
func New(cfg Config) (*Resolver, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Resolver{cfg: cfg}, nil
}

// Watch implements [discovery.Resolver]: it looks the service up, and again when the
// answer is no longer good.
func (r *Resolver) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		w := watch{lookup: lookup{Resolver: r}, yield: yield}
		q, err := r.query(service)
		if err != nil {
			if yield(nil, err) && ctx.Err() == nil && yield([]discovery.Endpoint{}, nil) {
				<-ctx.Done()
			}
			return
		}
		for ctx.Err() == nil {
			pause, ok := w.step(ctx, service, q)
			if !ok {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// Lookup implements [discovery.Looker].
func (r *Resolver) Lookup(ctx context.Context, service string) ([]discovery.Endpoint, error) {
	q, err := r.query(service)
	if err != nil {
		return nil, err
	}
	l := lookup{Resolver: r}
	out, err := l.run(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case !out.exists:
		return nil, unknown(service)
	}
	return out.set, nil
}

// query is what a service's name asks for. A name that cannot be looked up is as good
// as one that does not exist.
func (r *Resolver) query(service string) (query, error) {
	name := r.cfg.Query(service)
	q, err := parseQuery(name, r.cfg.Port, r.cfg.Search)
	if err != nil {
		err = fmt.Errorf("%w: %q cannot be looked up in DNS: %w", discovery.ErrUnknownService, name, err)
	}
	return q, err
}

func unknown(service string) error {
	return fmt.Errorf("%w: %q does not exist in DNS", discovery.ErrUnknownService, service)
}

// watch is one range over Watch, and what it has yielded last.
type watch struct {
	lookup
	yield   func([]discovery.Endpoint, error) bool
	set     []discovery.Endpoint
	told    bool
	unknown bool
	failed  int // look-ups in a row that failed
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// step looks up once and yields what is new. It gives the time until the next, and
// whether more is wanted.
func (w *watch) step(ctx context.Context, service string, q query) (time.Duration, bool) {
	out, err := w.run(ctx, q)
	if ctx.Err() != nil {
		return 0, false
	}
	if err != nil {
		pause := rand.N(min(firstPause<<min(w.failed, 10), lastPause))
		w.failed++
		return pause, w.yield(nil, err)
	}
	over := w.failed > 0
	w.failed = 0
	return w.pause(out.ttl), w.tell(ctx, service, out, over)
}

// tell yields what is new in an outcome; over: errors were yielded before it.
func (w *watch) tell(ctx context.Context, service string, out outcome, over bool) bool {
	if !out.exists && !w.unknown {
		over = true
		if !w.yield(nil, unknown(service)) || ctx.Err() != nil {
			return false
		}
	}
	w.unknown = !out.exists
	if w.told && !over && discovery.EqualSets(w.set, out.set) {
		return true
	}
	w.set, w.told = out.set, true
	return w.yield(out.set, nil)
}

// pause is when to look up again, for an answer that is good for ttl.
func (r *Resolver) pause(ttl time.Duration) time.Duration {
	ttl = min(max(ttl, r.cfg.MinTTL), r.cfg.MaxTTL)
	return ttl + time.Duration(rand.Float64()*max(r.cfg.Jitter, 0)*float64(ttl))
}
