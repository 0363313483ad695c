// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import "time"

// refresh is how often a set that does not change is written again, so that its file
// is not older than it need be.
const refresh = time.Hour

// load reads what is on disk.
func (f *follower) load() {
	if f.cache.disk == nil {
		return
	}
	f.seedDue = time.Now().Add(f.cache.cfg.Wait)
	f.seed, f.now.SavedErr = f.cache.disk.load(f.name)
}

// plant serves what was on disk, when the registry fails or takes too long.
func (f *follower) plant(next *alarm) {
	switch {
	case f.seed == nil:
	case f.failed.IsZero() && f.stepTime.Before(f.seedDue):
		next.by(f.seedDue)
	default:
		f.root()
		f.now.unconfirmed = f.seed.saved
		f.seed = nil
	}
}

// root makes the set from disk the one that the registry's next word is measured by.
func (f *follower) root() {
	if f.seed != nil && f.judge.good == nil {
		f.judge.believe(f.seed.set)
	}
}

// save has disk keep the set when it is new, and now and then when it is not.
func (f *follower) save(next *alarm) {
	if f.cache.disk == nil || !f.live() {
		return
	}
	often := refresh
	if age := f.cache.cfg.MaxAge; age > 0 {
		often = min(often, age/4)
	}
	due := f.savedAt.Add(often)
	if f.isSaved == f.judge.changes && f.stepTime.Before(due) {
		next.by(due)
		return
	}
	f.keep(f.stepTime)
	next.by(f.stepTime.Add(often))
}

// saveLast has disk keep the set at the end, with the time until which it was true.
func (f *follower) saveLast() {
	f.step()
	switch {
	case f.cache.disk == nil || f.now.Confirmed.IsZero() || f.judge.good == nil:
	case f.live():
		f.keep(f.stepTime)
	case f.staleSince().After(f.savedAt):
		f.keep(f.staleSince())
	}
}

// live reports whether the set is what the registry says now.
func (f *follower) live() bool {
	return f.judge.good != nil && f.judge.doubt == nil && f.failed.IsZero() && !f.now.Confirmed.IsZero()
}

func (f *follower) keep(at time.Time) {
	f.savedAt, f.isSaved = at, f.judge.changes
	f.cache.disk.keep(snapshot{service: f.name, saved: at, set: f.judge.good})
}
