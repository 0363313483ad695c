// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// reply is what a registry said: a set, or an error.
type reply struct {
	set     []Endpoint
	err     error
	answers uint64 // of the watch when the question was put
}

// keepWatching hands on what a watch yields, and begins it again, with a wait that
// grows, when it ends before ctx does.
func keepWatching(ctx context.Context, r Resolver, service string, news chan<- reply) {
	const first, last = 100 * time.Millisecond, 10 * time.Second
	send := func(a reply) bool {
		select {
		case news <- a:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for most := first; ctx.Err() == nil; most = min(2*most, last) {
		for set, err := range r.Watch(ctx, service) {
			if !send(reply{set: set, err: err}) {
				return
			}
			if err == nil {
				most = first
			}
		}
		if ctx.Err() != nil || !send(reply{err: fmt.Errorf("discovery: the resolver ended its watch of %q", service)}) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(most)):
		}
	}
}

// ask puts a question to the registry, when one is due: to confirm a set that is
// doubted, or to see whether a registry that fails is back.
func (f *follower) ask(ctx context.Context, parts *sync.WaitGroup, next *alarm) {
	if f.looker == nil || f.asks {
		return
	}
	due := f.judge.question(f.asked)
	if due.IsZero() && !f.failed.IsZero() {
		due = later(f.failed, f.asked).Add(recheck)
	}
	if due.IsZero() {
		return
	}
	if f.stepTime.Before(due) {
		next.by(due)
		return
	}
	f.asked, f.asks = f.stepTime, true
	answers := f.answers
	parts.Go(func() {
		r := f.cache.lookup(ctx, f.looker, f.name)
		r.answers = answers
		f.replies <- r // has room: one question is out at a time
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lookup asks when its turn has come.
func (c *Cache) lookup(ctx context.Context, l Looker, service string) reply {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return reply{err: ctx.Err()}
	}
	ctx, cancel := context.WithTimeout(ctx, max(c.cfg.Guard.Confirm, time.Second))
	defer cancel()
	set, err := l.Lookup(ctx, service)
	return reply{set: set, err: err}
}

// reply takes the answer to a question. When the watch has spoken since the question
// was put, the answer may be the older of the two, and is not used.
func (f *follower) reply(r reply) {
	switch {
	case errors.Is(r.err, errors.ErrUnsupported):
		f.looker = nil
	case r.answers != f.answers:
	case r.err == nil:
		f.hear(r)
	case errors.Is(r.err, ErrUnknownService) && f.judge.doubt != nil:
		f.hear(reply{}) // it has nothing under that name: as empty as can be
	default:
		f.judge.unanswered()
		f.fail(r.err)
	}
}

// sameKind reports whether an error is no news after another: a service that is not
// known is something else than a registry that fails.
func sameKind(a, b error) bool {
	return errors.Is(a, ErrUnknownService) == errors.Is(b, ErrUnknownService)
}
