// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// Memory is a registry inside one process: a [Resolver] whose sets are changed at
// run time, and a [Registrar]. It serves tests, and programs that hold several
// services in one process. The zero value is empty and ready to use. It is safe
// for concurrent use; writers never wait for watchers.
type Memory struct {
	mu       sync.Mutex // guards services and what hangs from it; never held while yielding
	services map[string]*memoryService
}

// memoryService is one service in a Memory. Memory.mu guards it; the slices are
// replaced and never written.
type memoryService struct {
	set      []Endpoint      // given to Set
	held     []*registration // by order of arrival
	merged   []Endpoint      // set and held together, as watchers see it
	known    bool            // was ever set or registered
	changed  chan struct{}   // closed and replaced on each change
	watchers int
}

// registration is one Register that is still running. Its address tells it from
// a later one under the same ID.
type registration struct {
	id string
	ep Endpoint
}

// NewMemory makes an empty Memory.
func NewMemory() *Memory { return &Memory{} }

// Set replaces what earlier Sets gave for service by a copy of eps; none makes it
// known and empty. Registered instances stay beside it.
func (m *Memory) Set(service string, eps ...Endpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(service)
	if s.known && EqualSets(s.set, eps) {
		return // not kept beside the one that watchers have
	}
	s.set = cloneSet(eps)
	s.publish()
}

// Remove takes back what Set gave for service, which stays known. Registered
// instances stay. A service that was never set is left as it is.
func (m *Memory) Remove(service string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.services[service]; s != nil && s.known {
		s.set = nil
		s.publish()
	}
}

// Register implements [Registrar]. An instance with the ID of one that is held
// already takes its place.
func (m *Memory) Register(ctx context.Context, in Instance) error {
	if err := in.Validate(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // ctx bounds the registration: its end is no error
	}
	r := &registration{id: in.ID, ep: in.Endpoint.Clone()}
	m.hold(in.Service, r)
	<-ctx.Done()
	m.withdraw(in.Service, r)
	return nil
}

func (m *Memory) hold(service string, r *registration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(service)
	s.held = slices.DeleteFunc(s.held, func(o *registration) bool { return o.id == r.id })
	s.held = append(s.held, r)
	s.publish()
}

func (m *Memory) withdraw(service string, r *registration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(service)
	s.held = slices.DeleteFunc(s.held, func(o *registration) bool { return o == r })
	s.publish()
}

// Watch implements [Resolver]. For a service that was never set or registered it
// yields an error that wraps [ErrUnknownService] and waits for it to appear.
func (m *Memory) Watch(ctx context.Context, service string) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		if ctx.Err() != nil {
			return
		}
		s := m.join(service)
		defer m.leave(service, s)
		m.follow(ctx, service, s, yield)
	}
}

// follow yields until ctx ends or the consumer has enough.
func (m *Memory) follow(ctx context.Context, service string, s *memoryService, yield func([]Endpoint, error) bool) {
	var last []Endpoint
	for first := true; ctx.Err() == nil; first = false {
		eps, known, changed := m.read(s)
		switch {
		case !known && first:
			if !yield(nil, notRegistered(service)) {
				return
			}
		case known && (last == nil || !EqualSets(last, eps)):
			last = eps
			if !yield(eps, nil) {
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

func notRegistered(service string) error {
	return fmt.Errorf("%w: %q is not registered in this process", ErrUnknownService, service)
}

// Lookup implements [Looker].
func (m *Memory) Lookup(_ context.Context, service string) ([]Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[service]
	if s == nil || !s.known {
		return nil, notRegistered(service)
	}
	return s.merged, nil
}

func (m *Memory) read(s *memoryService) (eps []Endpoint, known bool, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.merged, s.known, s.changed
}

func (m *Memory) join(service string) *memoryService {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(service)
	s.watchers++
	return s
}

// leave forgets a service that nobody watches and that never was known, so that
// watches of mistyped names leave nothing behind.
func (m *Memory) leave(service string, s *memoryService) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.watchers--
	if s.watchers == 0 && !s.known {
		delete(m.services, service)
	}
}

// service finds or makes the record of a service. m.mu is held.
func (m *Memory) service(name string) *memoryService {
	if m.services == nil {
		m.services = make(map[string]*memoryService)
	}
	s := m.services[name]
	if s == nil {
		s = &memoryService{changed: make(chan struct{})}
		m.services[name] = s
	}
	return s
}

// publish builds the merged set and wakes the watchers. Memory.mu is held.
func (s *memoryService) publish() {
	merged := make([]Endpoint, 0, len(s.set)+len(s.held))
	merged = append(merged, s.set...)
	for _, r := range s.held {
		merged = append(merged, r.ep)
	}
	if s.known && EqualSets(s.merged, merged) {
		return
	}
	s.merged, s.known = merged, true
	close(s.changed)
	s.changed = make(chan struct{})
}
