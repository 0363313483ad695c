// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"
)

// Failover is a Resolver that takes a service from the first of its sources that has
// it. The next source is used, and watched, only while the one before has no endpoints,
// or does not know the service, or has given nothing but errors or silence for longer
// than after (0 means 10 s). The one before goes on being watched, and takes over again
// with its next set that is not empty. Where no source has endpoints, the last set of
// the first that had some stays, if that source fails; the set is empty when the
// sources say so.
//
// Errors of the sources in use are news. Failover is a [Looker] if its sources are.
// With a negative after the next source is used at the first error; without a source
// no service is known.
func Failover(after time.Duration, sources ...Resolver) Resolver {
	if len(sources) == 0 {
		return NewStatic(nil)
	}
	if after == 0 {
		after = 10 * time.Second
	}
	r := sources[len(sources)-1]
	for i := len(sources) - 2; i >= 0; i-- {
		r = &failover{after: after, first: sources[i], second: r}
	}
	return r
}

// failover is two sources, of which the second may be two sources again.
type failover struct {
	after         time.Duration
	first, second Resolver
}

// Watch implements [Resolver].
func (r *failover) Watch(ctx context.Context, service string) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := failoverWatch{failover: r, service: service, yield: yield, words: make(chan word), since: time.Now()}
		defer w.standDown()
		defer w.watches.Wait()
		defer cancel()
		w.watches.Go(func() { hearken(ctx, r.first, service, 0, w.words) })
		w.run(ctx)
	}
}

// failoverWatch is one range over a failover's Watch.
type failoverWatch struct {
	*failover
	service string
	yield   func([]Endpoint, error) bool
	words   chan word
	watches sync.WaitGroup // of the first source

	parts  [2]part
	since  time.Time // since when the first has given nothing; zero after a set
	gave   bool      // the second has said something
	last   []Endpoint
	told   bool
	failed bool // an error was yielded since
	again  bool // a set came after that error: the next is yielded even if it is the same

	relief  context.CancelFunc // ends the watch of the second; nil while there is none
	relieve sync.WaitGroup
}

func (w *failoverWatch) run(ctx context.Context) {
	timer := time.NewTimer(w.after)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case word := <-w.words:
			if ctx.Err() != nil || !w.take(word) {
				return
			}
		case <-timer.C:
		}
		if w.firstServes() {
			w.standDown()
		} else {
			w.standBy(ctx)
		}
		if !w.offer() {
			return
		}
		if !w.since.IsZero() && w.relief == nil {
			timer.Reset(time.Until(w.since.Add(w.after)))
		}
	}
}

// firstServes reports whether the first source is the one to use.
func (w *failoverWatch) firstServes() bool {
	p := &w.parts[0]
	if p.heard() && len(p.set) == 0 {
		return false
	}
	return w.since.IsZero() || time.Since(w.since) < w.after
}

// standBy begins to watch the second source.
func (w *failoverWatch) standBy(ctx context.Context) {
	if w.relief != nil {
		return
	}
	ctx, w.relief = context.WithCancel(ctx)
	w.relieve.Go(func() { hearken(ctx, w.second, w.service, 1, w.words) })
}

// standDown ends the watch of the second source and forgets what it said.
func (w *failoverWatch) standDown() {
	if w.relief == nil {
		return
	}
	w.relief()
	w.relieve.Wait()
	w.relief, w.parts[1], w.gave = nil, part{}, false
}

// take notes a word, and yields it if it is an error that is news; false: enough.
func (w *failoverWatch) take(said word) bool {
	p := &w.parts[said.from]
	w.gave = w.gave || said.from == 1
	switch {
	case said.err == nil:
		p.take(said.set)
		w.again, w.failed = w.again || w.failed, false
		if said.from == 0 {
			w.since = time.Time{}
		}
		return true
	case errors.Is(said.err, ErrUnknownService):
		p.unknown = true
		return !w.parts[1-said.from].unknown || w.yield(nil, said.err)
	case said.from == 0 && w.since.IsZero():
		w.since = time.Now()
	}
	w.failed = true
	return w.yield(nil, said.err)
}

// offer yields the set in use, if there is one and it is new; false: enough.
func (w *failoverWatch) offer() bool {
	set, ok := w.choose()
	if !ok || w.told && !w.again && EqualSets(w.last, set) {
		return true
	}
	w.last, w.told, w.again = set, true, false
	return w.yield(set, nil)
}

// choose is the set in use, and whether there is one.
func (w *failoverWatch) choose() ([]Endpoint, bool) {
	first, second := &w.parts[0], &w.parts[1]
	switch {
	case w.firstServes():
		return first.set, first.known
	case len(second.set) > 0:
		return second.set, true
	case len(first.set) > 0:
		return first.set, true
	case w.gave && (first.known || second.known):
		return []Endpoint{}, true
	}
	return nil, false
}

// Lookup implements [Looker]: it asks one after the other until one has endpoints.
func (r *failover) Lookup(ctx context.Context, service string) ([]Endpoint, error) {
	set, err := lookup(ctx, r.first, service)
	if err == nil && len(set) > 0 || errors.Is(err, errors.ErrUnsupported) {
		return set, err
	}
	other, otherErr := lookup(ctx, r.second, service)
	if otherErr == nil && len(other) > 0 || err != nil {
		return other, otherErr
	}
	return set, nil
}
