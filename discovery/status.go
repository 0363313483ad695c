// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"maps"
	"slices"
	"time"
)

// WatchState is how a Cache stands with its registry about one service.
type WatchState uint8

const (
	// Waiting is when the registry has not answered since the watch began.
	Waiting WatchState = iota
	// Live is when the registry's last word is what readers see.
	Live
	// Doubting is when the registry's last word is a loss that is not believed yet.
	Doubting
	// Failing is when the registry's last word was an error.
	Failing
)

// String is the state's name in lower case.
func (s WatchState) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Live:
		return "live"
	case Doubting:
		return "doubting"
	case Failing:
		return "failing"
	}
	return "unknown"
}

// CacheStatus is the state of a Cache at one moment.
type CacheStatus struct {
	Services []ServiceStatus // by name; those that are watched
	Disk     DiskStatus
}

// ServiceStatus is what a Cache knows of one service. Times are zero for what never
// happened.
type ServiceStatus struct {
	Service   string
	State     WatchState
	Readers   int       // watches of the Cache
	Known     bool      // readers have a set
	Endpoints int       // in it
	Kept      int       // of these, those that the registry does not name any more
	Changed   time.Time // when the set last changed
	Confirmed time.Time // when the registry last gave a set
	// StaleSince is the time from which on the set is not known to be true: of the
	// first error in a row, of the doubt, or of the file it came from. Zero: it is true
	// as far as the registry knows.
	StaleSince time.Time
	Suppressed uint64    // sets that were not believed when they came
	Err        error     // the registry's last error, also when it is over
	ErrAt      time.Time // when it came
	Errors     uint64    // so far
	Saved      time.Time // the age of what is on disk
	SavedErr   error     // why the file found at the start was not used

	unconfirmed time.Time // of the file that the set is from; zero once the registry answered
}

// Staleness is how long the set has not been known to be true; 0 when it is.
func (s ServiceStatus) Staleness(now time.Time) time.Duration {
	if s.StaleSince.IsZero() {
		return 0
	}
	return max(now.Sub(s.StaleSince), 0)
}

// DiskStatus is how a Cache stands with its directory.
type DiskStatus struct {
	Dir   string    // "" when nothing is kept
	Err   error     // of the last writing; nil when it went well
	ErrAt time.Time // when that was
}

// Status is the present state.
func (c *Cache) Status() CacheStatus {
	c.mu.Lock()
	followers := maps.Clone(c.followers)
	readers := make(map[string]int, len(followers))
	for name, f := range followers {
		readers[name] = f.readers
	}
	c.mu.Unlock()
	s := CacheStatus{Services: make([]ServiceStatus, 0, len(followers))}
	for _, name := range slices.Sorted(maps.Keys(followers)) {
		one := followers[name].snapshotStatus()
		one.Readers = readers[name]
		if c.disk != nil {
			one.Saved = c.disk.savedAt(name)
		}
		s.Services = append(s.Services, one)
	}
	if c.disk != nil {
		s.Disk = c.disk.status()
	}
	return s
}

func (f *follower) snapshotStatus() ServiceStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// conclude writes down what a step came to.
func (f *follower) conclude() {
	s := &f.now
	s.Known, s.Endpoints = f.view.known, len(f.view.set)
	s.Kept, s.Suppressed = f.judge.kept(), f.judge.suppressed
	s.StaleSince = f.staleSince()
	switch {
	case !f.failed.IsZero():
		s.State = Failing
	case s.Confirmed.IsZero():
		s.State = Waiting
	case f.judge.doubt != nil:
		s.State = Doubting
	default:
		s.State = Live
	}
}

func (f *follower) staleSince() time.Time {
	switch {
	case !f.view.known:
		return time.Time{}
	case !f.now.unconfirmed.IsZero():
		return f.now.unconfirmed
	case f.judge.doubt != nil:
		return f.judge.doubt.since
	}
	return f.failed
}
