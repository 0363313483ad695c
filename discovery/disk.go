// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// disk is the directory of a Cache: it reads at once, and writes on a goroutine of its
// own, at most once a second. A directory that is full or may not be written costs the
// snapshots and nothing else.
type disk struct {
	dir    string
	maxAge time.Duration // negative: any
	report func(error)
	wake   chan struct{} // has room for one
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // guards what follows; no file is touched under it
	pending map[string]snapshot
	saved   map[string]time.Time // the age of what was written or read
	err     error                // of the last writing
	errAt   time.Time

	told map[string]time.Time // guarded by mu: when each kind of problem was reported
}

const (
	writeEvery = time.Second
	retryAfter = 10 * time.Second // when the last writing failed
)

func openDisk(dir string, maxAge time.Duration, report func(error)) *disk {
	ctx, cancel := context.WithCancel(context.Background())
	d := &disk{
		dir: dir, maxAge: maxAge, report: report, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
		pending: map[string]snapshot{}, saved: map[string]time.Time{}, told: map[string]time.Time{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.note(fmt.Errorf("discovery: snapshots: %w", err))
	}
	d.sweep()
	go d.run(ctx)
	return d
}

// run writes what is pending, until ctx ends and once more then.
func (d *disk) run(ctx context.Context) {
	defer close(d.done)
	for ctx.Err() == nil {
		select {
		case <-d.wake:
		case <-ctx.Done():
		}
		rest := writeEvery
		if d.flush() != nil {
			rest = retryAfter
			d.rouse() // what was not written is tried again
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
	}
	_ = d.flush() // close tells
}

// close writes what is pending and says how that went.
func (d *disk) close() error {
	d.cancel()
	<-d.done
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// keep has a snapshot written soon.
func (d *disk) keep(s snapshot) {
	d.mu.Lock()
	d.pending[s.service] = s
	d.mu.Unlock()
	d.rouse()
}

func (d *disk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// flush writes what is pending; what cannot be written stays so, unless there is
// something newer by then.
func (d *disk) flush() error {
	d.mu.Lock()
	pending := d.pending
	d.pending = map[string]snapshot{}
	d.mu.Unlock()
	var failed error
	for _, name := range slices.Sorted(maps.Keys(pending)) {
		s := pending[name]
		err := d.write(s)
		if err != nil {
			failed = err
		}
		d.mu.Lock()
		if _, newer := d.pending[name]; err != nil && !newer {
			d.pending[name] = s
		}
		if err == nil {
			d.saved[name] = s.saved
		}
		d.mu.Unlock()
	}
	if len(pending) > 0 {
		d.note(failed)
	}
	return failed
}

// write puts a snapshot in the place of the one before, in one step: whoever reads,
// also after a crash, finds one or the other.
func (d *disk) write(s snapshot) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(d.dir, tempPattern)
	if err != nil {
		return fmt.Errorf("discovery: snapshot of %q: %w", s.service, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(d.dir, snapshotFile(s.service)))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use
		return fmt.Errorf("discovery: snapshot of %q: %w", s.service, err)
	}
	if dir, err := os.Open(d.dir); err == nil {
		_ = dir.Sync() // not every system can; the file itself is whole all the same
		_ = dir.Close()
	}
	return nil
}

const tempPattern = ".writing-*"

// sweep removes what a process that died while it wrote has left behind.
func (d *disk) sweep() {
	old, _ := filepath.Glob(filepath.Join(d.dir, tempPattern)) // the pattern is well formed
	for _, path := range old {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(path) // the next start tries again
		}
	}
}

// load reads the snapshot of a service. Both results are nil when there is none.
func (d *disk) load(service string) (*snapshot, error) {
	path := filepath.Join(d.dir, snapshotFile(service))
	s, err := readSnapshot(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		err = fmt.Errorf("discovery: snapshot %s: %w", path, err)
	case s.service != service:
		err = fmt.Errorf("discovery: snapshot %s: it is of service %q, not %q", path, s.service, service)
	case d.maxAge >= 0 && time.Since(s.saved) > d.maxAge:
		err = fmt.Errorf("discovery: snapshot %s: it is of %s, over %v old", path, s.saved.Format(time.RFC3339), d.maxAge)
	}
	if err != nil {
		d.tell("read", err)
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved[service] = s.saved
	return &s, nil
}

func readSnapshot(path string) (snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return snapshot{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSnapshot+1))
	switch {
	case err != nil:
		return snapshot{}, err
	case len(data) > maxSnapshot:
		return snapshot{}, fmt.Errorf("%w: it is over %d bytes", errSnapshot, maxSnapshot)
	}
	return decodeSnapshot(data)
}

// note remembers how the last writing went.
func (d *disk) note(err error) {
	d.mu.Lock()
	d.err, d.errAt = err, time.Now()
	d.mu.Unlock()
	if err != nil {
		d.tell("write", err)
	}
}

// tell reports a problem, at most once in a while for each kind.
func (d *disk) tell(kind string, err error) {
	d.mu.Lock()
	now := time.Now()
	last, before := d.told[kind]
	due := !before || now.Sub(last) >= quiet
	if due {
		d.told[kind] = now
	}
	d.mu.Unlock()
	if due {
		d.report(err)
	}
}

func (d *disk) savedAt(service string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saved[service]
}

func (d *disk) status() DiskStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return DiskStatus{Dir: d.dir, Err: d.err, ErrAt: d.errAt}
}
