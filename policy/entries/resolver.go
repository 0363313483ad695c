// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// ErrMoved is news from a [Resolver]: policy has changed, and what comes next is from
// elsewhere. What was said before holds until it comes, but not longer, whatever comes: a
// service that a ServiceEntry described may be unknown now.
var ErrMoved = errors.New("entries: policy has changed where the service's endpoints are from")

// Config says what a [Resolver] puts together.
type Config struct {
	Registry discovery.Resolver      // of all services that no ServiceEntry describes; needed
	Name     func(key string) string // how the registry is asked for a key; nil: by the key
	Finder   Finder                  // of the others
}

// Resolver is a [discovery.Resolver] for the services of ServiceEntries and of a registry,
// asked by their keys. It is safe for concurrent use.
type Resolver struct {
	cfg Config
	now atomic.Pointer[state]
	mu  sync.Mutex // orders Set
}

// state is policy, and what is closed when it changes.
type state struct {
	policy  *policy.Snapshot
	changed chan struct{}
}

// New makes a Resolver, without any policy.
func New(cfg Config) *Resolver {
	if cfg.Name == nil {
		cfg.Name = func(key string) string { return key }
	}
	r := &Resolver{cfg: cfg}
	r.now.Store(&state{&policy.Snapshot{}, make(chan struct{})})
	return r
}

// Set puts policy in force. Watches whose ServiceEntry is as it was go on.
func (r *Resolver) Set(s *policy.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.now.Swap(&state{s, make(chan struct{})})
	close(before.changed)
}

// Watch implements [discovery.Resolver]. Between two origins it yields [ErrMoved].
func (r *Resolver) Watch(ctx context.Context, key string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		for first := true; ctx.Err() == nil; first = false {
			if !first && !yield(nil, ErrMoved) {
				return
			}
			if !r.follow(ctx, key, yield) {
				return
			}
		}
	}
}

// follow yields what the present origin of a service says until there is another; it
// reports whether more is wanted.
func (r *Resolver) follow(ctx context.Context, key string, yield func([]discovery.Endpoint, error) bool) bool {
	ctx, end := context.WithCancel(ctx)
	var other sync.WaitGroup
	defer other.Wait()
	defer end()
	now := r.now.Load()
	e := now.policy.Entry(key)
	other.Go(func() {
		r.await(ctx, now, e, key)
		end()
	})
	for set, err := range r.origin(ctx, e, key) {
		if ctx.Err() != nil {
			break
		}
		if !yield(set, err) {
			return false
		}
	}
	<-ctx.Done()
	return true
}

func (r *Resolver) origin(ctx context.Context, e *policy.Entry, key string) iter.Seq2[[]discovery.Endpoint, error] {
	if e == nil {
		return r.cfg.Registry.Watch(ctx, r.cfg.Name(key))
	}
	return r.cfg.Finder.Watch(ctx, e, key)
}

// await returns when policy says something else of a service than e, or ctx has ended.
func (r *Resolver) await(ctx context.Context, now *state, e *policy.Entry, key string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-now.changed:
		}
		now = r.now.Load()
		if !e.Equal(now.policy.Entry(key)) {
			return
		}
	}
}
