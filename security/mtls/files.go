// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// FilesConfig says where an identity lies on disk. Cert, Key and CA are required.
type FilesConfig struct {
	Cert string // PEM, leaf first, then intermediates
	Key  string // PEM, unencrypted; readable by its owner alone
	CA   string // PEM, the roots of the leaf's own trust domain
	// Federated are files with the roots of other trust domains, by trust domain.
	Federated map[string]string
	// Poll is how often the files are read again. 0 means 500 ms; negative is
	// refused. Reading finds every kind of change: edits in place, renames,
	// symlink swaps, network file systems.
	Poll time.Duration
	// SharedKey accepts a key file that others than its owner can read, as some
	// volumes mount it.
	SharedKey bool
	// OnUpdate, when set, hears of each new identity after the first (with a nil
	// error) and of each new failure (with the identity that stays in force). It is
	// called on the watching goroutine, never twice at once.
	OnUpdate func(*security.Identity, error)
	// Now replaces time.Now for the certificate's dates.
	Now func() time.Time
}

// settle is how long the files must stay the same before they are taken.
const settle = 100 * time.Millisecond

// Files is a [security.Source] over PEM files, for certificates that something
// else renews: cert-manager, a SPIFFE helper, a ConfigMap. New files are taken
// when they have stood still, key and certificate belong together, and the
// certificate is good now and leads to the roots. Otherwise the last good identity
// stays, [Files.Err] says why, and the files are tried again until they are good.
type Files struct {
	cfg    FilesConfig
	last   atomic.Pointer[security.Identity]
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex // guards err
	err error

	good, pending digest // of the watching goroutine
}

// NewFiles reads the files and begins to watch them, with one goroutine until
// Close. It is an error when they cannot be used now.
func NewFiles(cfg FilesConfig) (*Files, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	f := &Files{cfg: cfg, done: make(chan struct{})}
	raw, err := readFiles(&f.cfg)
	if err != nil {
		return nil, err
	}
	if err := f.take(raw); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go f.watch(ctx)
	return f, nil
}

// complete fills in defaults and refuses what makes no sense.
func (c *FilesConfig) complete() error {
	switch {
	case c.Cert == "" || c.Key == "" || c.CA == "":
		return errors.New("mtls: files: Cert, Key and CA are all required")
	case c.Poll < 0:
		return fmt.Errorf("mtls: files: Poll is %v; it must be positive, or 0 for the default", c.Poll)
	case c.Poll == 0:
		c.Poll = 500 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// Identity is the last good one. After Close it stays what it was.
func (f *Files) Identity() (*security.Identity, error) { return f.last.Load(), nil }

// Err says why what lies on disk now is not in force, or that the certificate in
// force has ended; nil when all is well. It names files and never shows their
// content.
func (f *Files) Err() error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err == nil {
		_, err = present(f, f.cfg.Now())
	}
	return err
}

// Close stops the watch and waits for it. It may be called more than once; the
// error is always nil.
func (f *Files) Close() error {
	f.cancel()
	<-f.done
	return nil
}

func (f *Files) watch(ctx context.Context) {
	defer close(f.done)
	timer := time.NewTimer(f.cfg.Poll)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(f.look())
		}
	}
}

// look reads the files once and says when to read them next.
func (f *Files) look() time.Duration {
	raw, err := readFiles(&f.cfg)
	switch {
	case err != nil:
		f.report(err)
	case raw.sum == f.good:
		f.report(nil)
	case raw.sum != f.pending:
		f.pending = raw.sum
		return min(settle, f.cfg.Poll)
	default:
		err := f.take(raw)
		f.report(err)
		if err == nil && f.cfg.OnUpdate != nil {
			f.cfg.OnUpdate(f.last.Load(), nil)
		}
	}
	return f.cfg.Poll
}

// take puts what was read in force if it is good.
func (f *Files) take(raw rawFiles) error {
	own, err := raw.identity()
	if err != nil {
		return err
	}
	if err := own.Check(f.cfg.Now()); err != nil {
		return fmt.Errorf("mtls: %s: %w", f.cfg.Cert, err)
	}
	f.last.Store(own)
	f.good = raw.sum
	return nil
}

// report notes the state of the files and tells a new failure.
func (f *Files) report(err error) {
	f.mu.Lock()
	news := err != nil && (f.err == nil || f.err.Error() != err.Error())
	f.err = err
	f.mu.Unlock()
	if news && f.cfg.OnUpdate != nil {
		f.cfg.OnUpdate(f.last.Load(), err)
	}
}
