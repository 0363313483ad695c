// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoIdentity says that a source has no identity that is good now: none came yet, or the
// last one has ended and no other came.
var ErrNoIdentity = errors.New("security: no identity that is good now")

// Latest holds the identity that somebody else renews: a directory, a certificate
// authority, an agent on this host. It is a [Source] that whoever watches the other side
// feeds with [Latest.Take] and [Latest.Fail]. What is no good is not taken, and the last
// good identity is given until its end, whatever happens on the other side. The zero value
// is ready, and is not to be copied.
type Latest struct {
	// OnUpdate, when set, hears of each identity that was taken (with a nil error), and of
	// each new failure with the identity that stays in force, nil before the first. It is
	// called by Take and Fail, on their goroutine.
	OnUpdate func(*Identity, error)
	// Now replaces time.Now for the certificate's dates.
	Now func() time.Time

	last atomic.Pointer[Identity]

	mu    sync.Mutex // guards err and ready; nothing is called under it
	err   error
	ready chan struct{} // closed by the first identity; nil until somebody waits
}

// Take puts an identity in force if it is good now (see [Identity.Check]). Otherwise it
// does what Fail does with the reason, and returns it.
func (l *Latest) Take(own *Identity) error {
	if err := own.Check(l.now()); err != nil {
		l.Fail(err)
		return err
	}
	l.mu.Lock()
	first := l.last.Swap(own) == nil
	l.err = nil
	if first && l.ready != nil {
		close(l.ready)
	}
	l.mu.Unlock()
	if l.OnUpdate != nil {
		l.OnUpdate(own, nil)
	}
	return nil
}

// Fail notes why there is nothing new; nil says that all is well again. The last identity
// stays in force. An error that reads like the one before it is not told again.
func (l *Latest) Fail(err error) {
	l.mu.Lock()
	news := err != nil && (l.err == nil || l.err.Error() != err.Error())
	l.err = err
	l.mu.Unlock()
	if news && l.OnUpdate != nil {
		l.OnUpdate(l.last.Load(), err)
	}
}

// Identity is the last one that was taken. It is an error, which wraps [ErrNoIdentity],
// before the first, and after the end of the last.
func (l *Latest) Identity() (*Identity, error) {
	own := l.last.Load()
	switch {
	case own == nil:
		return nil, because(ErrNoIdentity, l.why())
	case !l.now().Before(own.NotAfter()):
		ended := fmt.Errorf("%w: that of %s ended at %s", ErrNoIdentity, own.ID(), own.NotAfter().UTC().Format(time.RFC3339))
		return nil, because(ended, l.why())
	}
	return own, nil
}

// Err is why nothing newer is in force, or why there is nothing; nil when all is well.
func (l *Latest) Err() error {
	if err := l.why(); err != nil {
		return err
	}
	_, err := l.Identity()
	return err
}

// Ready is closed by the first identity.
func (l *Latest) Ready() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready == nil {
		l.ready = make(chan struct{})
		if l.last.Load() != nil {
			close(l.ready)
		}
	}
	return l.ready
}

func (l *Latest) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Latest) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

func because(err, why error) error {
	if why == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, why)
}
