// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// settle is how long files must stay the same before they are taken.
const settle = 100 * time.Millisecond

// defaultPoll is how often files are read again unless a configuration says.
const defaultPoll = 250 * time.Millisecond

// digest tells one state of files from another.
type digest [sha256.Size]byte

// watched reads files again and again, and takes what has changed once it stands still.
// Reading finds every kind of change: edits in place, renames, symlink swaps, network file
// systems. T is one reading of all files, not yet looked into.
type watched[T any] struct {
	read func() (T, digest, error)
	take func(T) error // puts a reading in force, or says why not
	tell func(error)   // hears of a reading that was put in force, and of each new failure; may be nil
	poll time.Duration

	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex // guards err
	err error

	good, pending digest // of the watching goroutine
}

// begin reads and takes the files, and watches them from then on.
func (w *watched[T]) begin() error {
	raw, sum, err := w.read()
	if err == nil {
		err = w.take(raw)
	}
	if err != nil {
		return err
	}
	w.good = sum
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan struct{})
	go w.watch(ctx)
	return nil
}

// close ends the watch and waits for it.
func (w *watched[T]) close() {
	w.cancel()
	<-w.done
}

// failure says why what lies on disk now is not in force.
func (w *watched[T]) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watched[T]) watch(ctx context.Context) {
	defer close(w.done)
	timer := time.NewTimer(w.poll)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(w.look())
		}
	}
}

// look reads the files once and says when to read them next.
func (w *watched[T]) look() time.Duration {
	raw, sum, err := w.read()
	switch {
	case err != nil:
		w.report(err)
	case sum == w.good:
		w.report(nil)
	case sum != w.pending:
		w.pending = sum
		return min(settle, w.poll)
	default:
		err := w.take(raw)
		if err == nil {
			w.good = sum
		}
		w.report(err)
		if err == nil && w.tell != nil {
			w.tell(nil)
		}
	}
	return w.poll
}

// report notes the state of the files and tells a new failure.
func (w *watched[T]) report(err error) {
	w.mu.Lock()
	news := err != nil && (w.err == nil || w.err.Error() != err.Error())
	w.err = err
	w.mu.Unlock()
	if news && w.tell != nil {
		w.tell(err)
	}
}

// pollOf checks how often files are to be read.
func pollOf(what string, poll, byDefault time.Duration) (time.Duration, error) {
	switch {
	case poll < 0:
		return 0, fmt.Errorf("mtls: %s: Poll is %v; it must be positive, or 0 for the default", what, poll)
	case poll == 0:
		return byDefault, nil
	}
	return poll, nil
}

// readUpTo reads a file of at most so many bytes. A larger one is not read.
func readUpTo(file *os.File, most int64) ([]byte, error) {
	if info, err := file.Stat(); err == nil && info.Size() > most {
		return nil, fmt.Errorf("mtls: %s is over %d bytes", file.Name(), most)
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("mtls: %w", err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("mtls: %s is over %d bytes", file.Name(), most)
	}
	return data, nil
}
