// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// Merge is a Resolver over several that hold parts of one service: all endpoints of
// the first, then those of the second whose addresses the first does not have, and so
// on. An endpoint is described as the first source that has it describes it.
//
// The set of those sources that have answered is yielded without waiting for the
// others, except that an empty one is held back until every source has answered: one
// that has not may know better. An error of one source is news, with its position, and
// hides no other's set. A service is unknown when every source says so.
//
// Merge is a [Looker] if all its sources are. Without a source no service is known.
func Merge(sources ...Resolver) Resolver {
	if len(sources) == 0 {
		return NewStatic(nil)
	}
	return merged(slices.Clone(sources))
}

type merged []Resolver

// part is what one source has said of a service.
type part struct {
	set     []Endpoint
	known   bool // a set came
	unknown bool // the source does not know the service
}

// take notes a set. An empty one does not contradict that the service is unknown.
func (p *part) take(set []Endpoint) {
	*p = part{set: set, known: true, unknown: p.unknown && len(set) == 0}
}

// heard reports whether the source has spoken.
func (p *part) heard() bool { return p.known || p.unknown }

// word is what source number from said.
type word struct {
	from int
	reply
}

// Watch implements [Resolver].
func (m merged) Watch(ctx context.Context, service string) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var watches sync.WaitGroup
		defer watches.Wait()
		defer cancel()
		words := make(chan word)
		for i, r := range m {
			watches.Go(func() { hearken(ctx, r, service, i, words) })
		}
		s := mergedWatch{parts: make([]part, len(m)), yield: yield}
		for {
			select {
			case <-ctx.Done():
				return
			case w := <-words:
				if ctx.Err() != nil || !s.take(w) {
					return
				}
			}
		}
	}
}

// hearken hands on what a source yields, until ctx ends.
func hearken(ctx context.Context, r Resolver, service string, from int, words chan<- word) {
	for set, err := range r.Watch(ctx, service) {
		select {
		case words <- word{from, reply{set: set, err: err}}:
		case <-ctx.Done():
			return
		}
	}
}

// mergedWatch is one range over a merged Watch.
type mergedWatch struct {
	parts  []part
	yield  func([]Endpoint, error) bool
	last   []Endpoint
	told   bool // a set was yielded
	failed bool // an error was yielded since
	lost   bool // that the service is unknown was yielded
}

// take notes a word and yields what follows from it; false: enough.
func (s *mergedWatch) take(w word) bool {
	p := &s.parts[w.from]
	switch {
	case errors.Is(w.err, ErrUnknownService):
		p.unknown = true
		if !s.all(func(p *part) bool { return p.unknown }) {
			return s.offer()
		}
		if s.lost {
			return true
		}
		s.lost = true
		return s.yield(nil, w.err)
	case w.err != nil:
		s.failed = true
		return s.yield(nil, fmt.Errorf("discovery: source %d of %d: %w", w.from+1, len(s.parts), w.err))
	}
	p.take(w.set)
	if !p.unknown {
		s.lost = false
	}
	return s.offer()
}

// offer yields the merged set, if it is to be known and is new.
func (s *mergedWatch) offer() bool {
	sets := make([][]Endpoint, len(s.parts))
	for i := range s.parts {
		sets[i] = s.parts[i].set
	}
	set := overlay(sets...)
	if len(set) == 0 {
		set = []Endpoint{}
		if !s.told && !s.all((*part).heard) {
			return true
		}
	}
	if s.told && !s.failed && EqualSets(s.last, set) {
		return true
	}
	s.last, s.told, s.failed = set, true, false
	return s.yield(set, nil)
}

func (s *mergedWatch) all(is func(*part) bool) bool {
	for i := range s.parts {
		if !is(&s.parts[i]) {
			return false
		}
	}
	return true
}

// Lookup implements [Looker]: it asks every source, and fails if one fails.
func (m merged) Lookup(ctx context.Context, service string) ([]Endpoint, error) {
	sets := make([][]Endpoint, len(m))
	var unknown error
	known := false
	for i, r := range m {
		set, err := lookup(ctx, r, service)
		switch {
		case errors.Is(err, ErrUnknownService):
			unknown = err
		case err != nil:
			return nil, fmt.Errorf("discovery: source %d of %d: %w", i+1, len(m), err)
		default:
			known = true
		}
		sets[i] = set
	}
	if !known {
		return nil, unknown
	}
	return overlay(sets...), nil
}

// lookup asks r, if it can be asked.
func lookup(ctx context.Context, r Resolver, service string) ([]Endpoint, error) {
	l, ok := r.(Looker)
	if !ok {
		return nil, fmt.Errorf("discovery: %T cannot be asked once: %w", r, errors.ErrUnsupported)
	}
	return l.Lookup(ctx, service)
}
