// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The pace of a watch.
const (
	settle    = 50 * time.Millisecond  // quiet time after a change before files are read
	settleMax = 400 * time.Millisecond // however restless they are
	emptyWait = 250 * time.Millisecond // more, when a file has just become empty
	pollEvery = 2 * time.Second        // for changes that no event told of
)

// Watch loads paths with the zero [Loader] and goes on doing so; see [Loader.Watch].
func Watch(ctx context.Context, paths ...string) iter.Seq2[*Snapshot, error] {
	return Loader{}.Watch(ctx, paths...)
}

// Watch yields what [Loader.Load] returns, then again whenever the files have
// changed, until ctx ends or the consumer stops. An error is news, not the end:
// nothing but the last snapshot is in force until a good one comes, which it does as
// soon as the files are put right. A change is yielded about 50 ms after it came to
// rest; what no event told of (a network file system, an exhausted inotify) within
// 2 s. Contents that are as they were before are not yielded again.
//
// Watch follows what editors and Kubernetes do: writes in place, files renamed over
// others, files added and removed, symbolic links swapped. A file that was cut to
// nothing is read a quarter of a second later: it is probably being written.
func (l Loader) Watch(ctx context.Context, paths ...string) iter.Seq2[*Snapshot, error] {
	return l.WatchSources(ctx, nil, paths...)
}

// WatchSources is [Loader.Watch] for files and for what sources give, loaded together as
// one set: a mistake in any refuses the load, and names the file or the source's document.
// Nothing is yielded before each source has told something, but for the errors of those
// that fail first; an error of a source that has told something is yielded too, and what it
// told holds.
func (l Loader) WatchSources(ctx context.Context, sources []Source, paths ...string) iter.Seq2[*Snapshot, error] {
	return func(yield func(*Snapshot, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := &watch{loader: l, paths: paths, sources: startSources(ctx, sources)}
		defer w.close()
		defer w.sources.wait.Wait()
		defer cancel()
		if err := w.open(); err != nil && !yield(nil, err) {
			return
		}
		for {
			// Directories before contents: what changes in between is an event.
			w.follow()
			if s, err, news := w.load(); news && !yield(s, err) {
				return
			}
			if s, err, news := w.ailing(); news && !yield(s, err) {
				return
			}
			if !w.wait(ctx) {
				return
			}
		}
	}
}

// watch is the state of one Watch, on one goroutine.
type watch struct {
	loader  Loader
	paths   []string
	sources *sourced
	events  *fsnotify.Watcher // nil: polling only
	dirs    map[string]bool   // that events follows
	names   map[string]bool   // of which an event counts: paths, links and what they lead to
	whole   map[string]bool   // directories of which an event on any policy file counts
	stamp   string            // of the files when they were last read
	version string            // of the contents that were last yielded, good or bad
	failure string            // the last failure to read files, yielded once
	trouble string            // the sources' that was yielded last
	last    *Snapshot         // of what was loaded last, or why it was refused
	refusal error
}

// open starts listening for events. Without them Watch polls.
func (w *watch) open() error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("policy: no events of the file system, changes take up to %v: %w", pollEvery, err)
	}
	w.events, w.dirs = events, map[string]bool{}
	return nil
}

func (w *watch) close() {
	if w.events != nil {
		_ = w.events.Close() // it says only that it was closed before
	}
}

// load reads the files, and reports whether they are news.
func (w *watch) load() (*Snapshot, error, bool) { //nolint:revive // the error is news, not a failure of load
	w.stamp = stampOf(w.paths)
	files, err := readFiles(w.paths)
	if err != nil {
		news := err.Error() != w.failure
		w.failure, w.version = err.Error(), ""
		return nil, err, news
	}
	given, complete, ailing := w.sources.read()
	if !complete {
		return nil, nil, false
	}
	files = append(files, given...)
	version := versionOf(files)
	if version == w.version {
		return nil, nil, false
	}
	w.version, w.failure = version, ""
	if w.last, w.refusal = w.loader.Parse(files); ailing == nil {
		w.trouble = "" // this tells that it is over
	}
	return w.last, w.refusal, true
}

// ailing is why sources cannot tell what they have now, once for each reason; and when
// they all can again, how the last load went, once more.
func (w *watch) ailing() (*Snapshot, error, bool) { //nolint:revive // the error is news, not a failure of ailing
	_, complete, err := w.sources.read()
	switch was := w.trouble; {
	case err == nil:
		w.trouble = ""
		return w.last, w.refusal, was != "" && complete
	case err.Error() == was:
		return nil, nil, false
	}
	w.trouble = err.Error()
	return nil, fmt.Errorf("policy: a source fails: %w", err), true
}

// wait returns when the files have probably changed and come to rest, or false when
// ctx ended.
func (w *watch) wait(ctx context.Context) bool {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-poll.C:
			if stampOf(w.paths) == w.stamp {
				continue
			}
		case event := <-w.changes():
			if !w.counts(event.Name) {
				continue
			}
		case <-w.failures(): // events were lost: look
		case <-w.sources.news:
			return ctx.Err() == nil // a source tells nothing half written
		}
		return w.rest(ctx)
	}
}

// rest waits until nothing has happened for a while.
func (w *watch) rest(ctx context.Context) bool {
	most := time.NewTimer(settleMax)
	defer most.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for waited := false; ; {
		select {
		case <-ctx.Done():
			return false
		case event := <-w.changes():
			if w.counts(event.Name) {
				quiet.Reset(settle)
			}
		case <-w.failures():
		case <-most.C:
			return true
		case <-quiet.C:
			if waited || !anyEmpty(w.paths) {
				return true
			}
			waited = true
			quiet.Reset(emptyWait)
		}
	}
}

// changes is the events; without them nil, on which nobody waits in vain: there is
// the poll.
func (w *watch) changes() <-chan fsnotify.Event {
	if w.events == nil {
		return nil
	}
	return w.events.Events
}

func (w *watch) failures() <-chan error {
	if w.events == nil {
		return nil
	}
	return w.events.Errors
}
