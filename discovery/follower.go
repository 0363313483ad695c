// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"sync"
	"time"
)

// view is what the readers of a service see. It is replaced and never written.
type view struct {
	set      []Endpoint
	known    bool
	version  uint64     // of set; each differs from the one before
	told     []Endpoint // the registry's last word, believed or not
	words    uint64     // counts those that differ from the one before; 0: none yet
	err      error      // nil while the registry answers
	last     error      // err, or the last there was
	news     uint64     // counts errors that were told
	restored uint64     // counts told errors that are over
}

// follower is one service of a Cache: the watch of it, and what became of it. Its
// loop owns everything but what mu and Cache.mu guard.
type follower struct {
	cache *Cache
	name  string

	cancel  context.CancelFunc
	readers int         // guarded by Cache.mu
	linger  *time.Timer // guarded by Cache.mu; nil while there are readers

	mu      sync.Mutex    // guards open, changed and status; nothing is called under it
	open    view          // what readers read
	changed chan struct{} // closed and replaced with open
	status  ServiceStatus

	view     view // becomes open when a step is done, whole: see publish
	fresh    bool // view is not what open is
	judge    judge
	now      ServiceStatus // becomes status when a step is done
	replies  chan reply
	looker   Looker // nil: the registry cannot be asked
	asked    time.Time
	asks     bool      // a question is out
	answers  uint64    // of the watch, so far
	seed     *snapshot // from disk, until it is used or not needed any more
	seedDue  time.Time
	shown    uint64    // judge.changes, as far as readers are concerned
	noted    uint64    // judge.changes, as far as the registry's words are
	shownAt  time.Time // when readers last saw a new set
	failed   time.Time // since when the registry fails; zero while it answers
	untold   error     // to be told to readers
	toldAt   time.Time
	told     error
	savedAt  time.Time // the age of what disk was given last
	isSaved  uint64    // judge.changes of that
	stepTime time.Time // of the present step
}

const (
	quiet   = 10 * time.Second // between errors that are told
	recheck = 30 * time.Second // between questions to a registry that fails
)

func newFollower(c *Cache, name string) *follower {
	f := &follower{
		cache: c, name: name, changed: make(chan struct{}),
		judge: judge{guard: c.cfg.Guard}, replies: make(chan reply, 1),
		now: ServiceStatus{Service: name},
	}
	f.status = f.now
	f.looker, _ = c.upstream.(Looker)
	return f
}

// run follows the service until ctx ends.
func (f *follower) run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	news := make(chan reply)
	parts.Go(func() { keepWatching(ctx, f.cache.upstream, f.name, news) })
	f.load()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			f.saveLast()
			return
		case r := <-news:
			f.step()
			f.answers++
			f.hear(r)
		case r := <-f.replies:
			f.step()
			f.asks = false
			f.reply(r)
		case <-timer.C:
			f.step()
		}
		timer.Reset(time.Until(f.act(ctx, &parts)))
	}
}

// step reads the clock, once for all that is done in a step.
func (f *follower) step() { f.stepTime = time.Now() }

// act does what is due, and says when to come back.
func (f *follower) act(ctx context.Context, parts *sync.WaitGroup) time.Time {
	next := alarm{f.stepTime.Add(time.Hour)}
	f.plant(&next)
	f.judge.settle(f.stepTime)
	next.by(f.judge.due())
	f.ask(ctx, parts, &next)
	f.hearsay()
	f.show(&next)
	f.tell(&next)
	f.save(&next)
	f.conclude()
	f.publish()
	return next.at
}

// alarm is the earliest of several times.
type alarm struct{ at time.Time }

func (a *alarm) by(t time.Time) {
	if !t.IsZero() && t.Before(a.at) {
		a.at = t
	}
}

// hear takes what the watch yielded.
func (f *follower) hear(r reply) {
	if r.err != nil {
		f.fail(r.err)
		return
	}
	f.failed, f.untold = time.Time{}, nil
	f.now.Confirmed = f.stepTime
	f.root()
	f.judge.hear(r.set, f.stepTime)
	f.seed = nil
	f.now.unconfirmed = time.Time{}
}

// fail notes an error: what was good stays.
func (f *follower) fail(err error) {
	if f.failed.IsZero() {
		f.failed = f.stepTime
	}
	f.untold = err
	f.now.Err, f.now.ErrAt = err, f.stepTime
	f.now.Errors++
}

// show gives readers the set that is in force, when it differs and is due.
func (f *follower) show(next *alarm) {
	if f.shown == f.judge.changes {
		return
	}
	if due := f.shownAt.Add(f.cache.cfg.Debounce); f.view.known && f.stepTime.Before(due) {
		next.by(due)
		return
	}
	f.shown = f.judge.changes
	set := f.judge.shown()
	if f.view.known && EqualSets(f.view.set, set) {
		return
	}
	f.shownAt, f.now.Changed = f.stepTime, f.stepTime
	f.view.set, f.view.known = set, true
	f.view.version++
	f.fresh = true
}

// tell gives readers an error, when it is news, and its end.
func (f *follower) tell(next *alarm) {
	v := &f.view
	switch {
	case f.failed.IsZero() && v.err != nil:
		v.err = nil
		v.restored++
		f.fresh = true
	case f.untold == nil:
	case f.told != nil && sameKind(f.told, f.untold) && f.stepTime.Sub(f.toldAt) < quiet:
		next.by(f.toldAt.Add(quiet))
	default:
		v.err, v.last = f.untold, f.untold
		v.news++
		f.told, f.toldAt, f.untold = f.untold, f.stepTime, nil
		f.fresh = true
	}
}

// publish opens what a step came to, all at once: a reader who looked between a set and
// the end of the error before it would be given the set for each.
func (f *follower) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = f.now
	if !f.fresh {
		return
	}
	f.fresh, f.open = false, f.view
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *follower) read() (view, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open, f.changed
}

// news is the set that a reader who has seen one view is to be told of another, if any.
type news func(v, seen *view) ([]Endpoint, bool)

// serve yields what is new to a reader, until ctx ends or it has enough.
func (f *follower) serve(ctx context.Context, fresh news, yield func([]Endpoint, error) bool) {
	var seen view
	for ctx.Err() == nil {
		v, changed := f.read()
		failed, unknown := v.news != seen.news, v.isUnknown()
		if failed && unknown && (!yield(nil, v.last) || ctx.Err() != nil) {
			return
		}
		if set, ok := fresh(&v, &seen); ok && (!yield(set, nil) || ctx.Err() != nil) {
			return
		}
		if failed && !unknown && v.err != nil && (!yield(nil, v.err) || ctx.Err() != nil) {
			return
		}
		seen = v
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// isUnknown reports whether there is no such service: the registry has said so, and names
// nobody. A reader that was slow must take the second neither without the first nor
// before it: it would believe in a service that has no instances.
func (v *view) isUnknown() bool {
	return len(v.set) == 0 && errors.Is(v.last, ErrUnknownService)
}

// newSet gives the set that is in force, to a reader to whom it is new, or who is to
// learn that an error it was told is over.
func (v *view) newSet(seen *view) ([]Endpoint, bool) {
	switch {
	case !v.known:
		return nil, false
	case !seen.known, v.restored != seen.restored && seen.err != nil:
		return v.set, true
	case v.version == seen.version:
		return nil, false
	}
	return v.set, v.version == seen.version+1 || !EqualSets(seen.set, v.set)
}
