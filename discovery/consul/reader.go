// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// newsEvery is how often a reader hears of an error at most.
const newsEvery = 10 * time.Second

// reader is one range over Watch, and what it has yielded last.
type reader struct {
	service string
	yield   func([]discovery.Endpoint, error) bool
	set     []discovery.Endpoint // nil before the first
	text    string               // of the last error, while it lasts
	failing bool                 // that error was yielded, and not yet that it is over
	at      time.Time            // of the last error
}

// run yields what is new until ctx ends, the consumer has enough or the watch is
// closed with the registry.
func (r *reader) run(ctx context.Context, w *watch) {
	for ctx.Err() == nil {
		s, changed := w.read()
		later, more := r.tell(ctx, s)
		if !more {
			return
		}
		var timer <-chan time.Time
		if later > 0 {
			timer = time.After(later)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer:
		}
	}
}

// tell yields what is new in s: another set, an error, or, by the same set once more, that
// the error is over. It reports whether more is wanted, and, where an error has to wait
// for its turn, how long.
func (r *reader) tell(ctx context.Context, s state) (later time.Duration, more bool) {
	said := s.set != nil && (r.set == nil || !discovery.EqualSets(r.set, s.set))
	if said {
		unknown := r.set == nil && len(s.set) == 0
		r.set = s.set
		if unknown && !r.yield(nil, r.unknown()) || ctx.Err() != nil {
			return 0, false
		}
		if !r.yield(s.set, nil) || ctx.Err() != nil {
			return 0, false
		}
	}
	if s.err == nil {
		over := r.failing
		r.text, r.failing = "", false
		return 0, !over || said || s.set == nil || r.yield(s.set, nil)
	}
	text := s.err.Error()
	if text == r.text {
		return 0, true
	}
	if wait := newsEvery - time.Since(r.at); !r.at.IsZero() && wait > 0 {
		return wait, true
	}
	r.text, r.at, r.failing = text, time.Now(), true
	return 0, r.yield(nil, s.err)
}

func (r *reader) unknown() error {
	return fmt.Errorf("%w: nobody is registered in Consul as %q", discovery.ErrUnknownService, r.service)
}
