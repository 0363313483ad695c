// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// follower reads the files when the system reports a change in their
// directories, and now and then besides. It belongs to one goroutine.
//
// Directories are watched and not files: a file that is renamed over, or reached
// through a link that is swapped (as Kubernetes does with volumes), is another
// file afterwards. Where the system cannot watch, reading now and then is all.
type follower struct {
	r       *Resolver
	good    string // what is in force
	taken   string // what was last decided on, good or bad
	pending string // what was read last, waiting to be read a second time
}

func (f *follower) run(ctx context.Context) {
	defer close(f.r.done)
	var (
		events <-chan fsnotify.Event
		faults <-chan error
	)
	system, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = system.Close() }()
		events, faults = system.Events, system.Errors
		aim(system, f.r.path)
	}
	// What changed between Open's reading and now is found by reading once more.
	timer := time.NewTimer(f.r.cfg.Debounce)
	defer timer.Stop()
	soon := true // the timer runs for a change, not for the poll
	hurry := func() {
		if !soon {
			soon = true
			timer.Reset(f.r.cfg.Debounce)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			hurry()
		case <-faults: // an overflow, for one: something has changed
			hurry()
		case <-timer.C:
			if soon = f.look(); soon {
				timer.Reset(f.r.cfg.Debounce)
			} else {
				timer.Reset(f.r.cfg.Poll)
			}
			aim(system, f.r.path)
		}
	}
}

// look reads once, and reports whether to read again soon, to see whether the
// files stand still.
func (f *follower) look() (again bool) {
	c, err := readAll(f.r.path)
	found := string(c.sum[:])
	if err != nil {
		found = "error: " + err.Error()
	}
	switch {
	case found == f.taken:
		f.pending = ""
		return false
	case found != f.pending:
		f.pending = found
		return true
	}
	f.taken, f.pending = found, ""
	f.take(c, err)
	return false
}

// take publishes what was read, or what is wrong with it.
func (f *follower) take(c content, err error) {
	if err != nil {
		f.r.publish(nil, err)
		return
	}
	if f.taken == f.good {
		f.r.publish(nil, nil)
		return
	}
	services, err := c.parse()
	if err == nil {
		f.good = f.taken
	}
	f.r.publish(services, err)
}

// aim has the system watch the directories in which a change would show: that of
// the path, the path itself if it is one, and those that links lead to. What
// cannot be watched is left to the poll.
func aim(system *fsnotify.Watcher, path string) {
	if system == nil {
		return
	}
	want := []string{filepath.Dir(path)}
	paths := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		want = append(want, path)
		paths, _ = list(path) // an error has been told already
	}
	for _, p := range paths {
		if target, err := filepath.EvalSymlinks(p); err == nil {
			want = append(want, filepath.Dir(target))
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	have := system.WatchList()
	for _, dir := range want {
		if !slices.Contains(have, dir) {
			_ = system.Add(dir)
		}
	}
	for _, dir := range have {
		if !slices.Contains(want, dir) {
			_ = system.Remove(dir)
		}
	}
}
