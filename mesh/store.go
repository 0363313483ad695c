// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"
	"io"
	"sync"
)

// Store carries state from one snapshot of policy to the next, so that a reload
// keeps what its own configuration did not change: breakers stay open, buckets
// stay drained. See [Keep].
type Store struct {
	mu   sync.Mutex // guards next
	prev map[storeKey]any
	next map[storeKey]any
}

// storeKey is an owner and its configuration: what must be equal for state to be
// kept.
type storeKey struct {
	owner string
	cfg   any
}

// Keep returns the state that owner ("orders/breaker") had under an equal
// configuration, or makes one. Within one snapshot, equal owners with equal
// configurations share a state. What nobody keeps in a snapshot is forgotten, and
// closed if it is an io.Closer; calls in flight still settle in it.
func Keep[C comparable, S any](st *Store, owner string, cfg C, build func(C) (S, error)) (S, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	key := storeKey{owner, cfg}
	state, ok := st.next[key]
	if !ok {
		state, ok = st.prev[key]
	}
	if kept, same := state.(S); ok && same {
		st.next[key] = kept
		return kept, nil
	}
	made, err := build(cfg)
	if err != nil {
		return made, err
	}
	st.next[key] = made
	return made, nil
}

// newStore makes the Store of the snapshot after prev, which may be nil.
func newStore(prev *Store) *Store {
	st := &Store{next: map[storeKey]any{}}
	if prev != nil {
		prev.mu.Lock()
		defer prev.mu.Unlock()
		st.prev = make(map[storeKey]any, len(prev.next))
		for k, v := range prev.next {
			st.prev[k] = v
		}
	}
	return st
}

// commit forgets what this snapshot did not keep, and closes it.
func (st *Store) commit() error {
	st.mu.Lock()
	var orphans []io.Closer
	for k, v := range st.prev {
		if c, ok := v.(io.Closer); ok && st.next[k] != v {
			orphans = append(orphans, c)
		}
	}
	st.prev = nil
	st.mu.Unlock()
	return closeAll(orphans)
}

// abandon closes what a snapshot that is not published made anew.
func (st *Store) abandon() error {
	st.mu.Lock()
	var orphans []io.Closer
	for k, v := range st.next {
		if c, ok := v.(io.Closer); ok && st.prev[k] != v {
			orphans = append(orphans, c)
		}
	}
	st.mu.Unlock()
	return closeAll(orphans)
}

func closeAll(orphans []io.Closer) error {
	var errs []error
	for _, c := range orphans {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
