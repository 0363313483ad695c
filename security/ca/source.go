// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// Source is a [security.Source] for one service account, signed by a
// [Development]. It renews when it is asked: at half the certificate's life, give
// or take a tenth of it so that services started together do not renew together,
// and when the roots have changed. It needs no goroutine and no Close.
type Source struct {
	authority *Development
	id        security.ID
	last      atomic.Pointer[issued]
	failed    atomic.Pointer[error] // why the latest renewal failed; nil: it did not
	mu        sync.Mutex            // held while renewing, so that one caller does it
}

// issued is an identity and when to replace it.
type issued struct {
	identity *security.Identity
	bundle   *bundle
	renew    time.Time
}

// Source makes the rotating identity of a service account, with its first
// certificate. It is an error when the names do not make an ID.
func (d *Development) Source(namespace, serviceAccount string) (*Source, error) {
	id, err := security.IDFor(d.trustDomain, namespace, serviceAccount)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	s := &Source{authority: d, id: id}
	if _, err := s.Identity(); err != nil {
		return nil, err
	}
	return s, nil
}

// ID is whom the source is for.
func (s *Source) ID() security.ID { return s.id }

// Identity is the present identity, renewed if it is time. While renewing fails,
// the last one is given until its end.
func (s *Source) Identity() (*security.Identity, error) {
	now := s.authority.cfg.Now()
	_, trusted := s.authority.present(now)
	if have := s.last.Load(); have.fresh(now, trusted) {
		return have.identity, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.last.Load()
	if have.fresh(now, trusted) {
		return have.identity, nil
	}
	identity, with, err := s.authority.issue(s.id, now)
	if err != nil {
		s.failed.Store(&err)
		if have != nil && now.Before(have.identity.NotAfter()) {
			return have.identity, nil
		}
		return nil, err
	}
	s.last.Store(&issued{identity, with, renewAt(now, identity.NotAfter())})
	s.failed.Store(nil)
	return identity, nil
}

// Err says why the latest renewal failed, or nil.
func (s *Source) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// fresh reports whether the identity needs no replacement yet.
func (i *issued) fresh(now time.Time, trusted *bundle) bool {
	return i != nil && i.bundle == trusted && now.Before(i.renew)
}

// renewAt is half of the life left, give or take a tenth of it.
func renewAt(now, end time.Time) time.Time {
	life := end.Sub(now)
	return now.Add(life/2 - life/10 + rand.N(life/5+1))
}
