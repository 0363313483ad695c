// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"errors"
	"fmt"
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
	// Poll is how often the files are read again. 0 means 250 ms; negative is
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

// Files is a [security.Source] over PEM files, for certificates that something
// else renews: cert-manager, a SPIFFE helper, a ConfigMap. New files are taken
// when they have stood still, key and certificate belong together, and the
// certificate is good now and leads to the roots. Otherwise the last good identity
// stays, [Files.Err] says why, and the files are tried again until they are good.
type Files struct {
	cfg   FilesConfig
	last  atomic.Pointer[security.Identity]
	files watched[rawFiles]
}

// NewFiles reads the files and begins to watch them, with one goroutine until
// Close. It is an error when they cannot be used now.
func NewFiles(cfg FilesConfig) (*Files, error) {
	if cfg.Cert == "" || cfg.Key == "" || cfg.CA == "" {
		return nil, errors.New("mtls: files: Cert, Key and CA are all required")
	}
	poll, err := pollOf("files", cfg.Poll, defaultPoll)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Files{cfg: cfg}
	f.files = watched[rawFiles]{
		read: func() (rawFiles, digest, error) { return readFiles(&f.cfg) },
		take: f.take, tell: f.tell, poll: poll,
	}
	if err := f.files.begin(); err != nil {
		return nil, err
	}
	return f, nil
}

// Identity is the last good one. After Close it stays what it was.
func (f *Files) Identity() (*security.Identity, error) { return f.last.Load(), nil }

// Err says why what lies on disk now is not in force, or that the certificate in
// force has ended; nil when all is well. It names files and never shows their
// content.
func (f *Files) Err() error {
	if err := f.files.failure(); err != nil {
		return err
	}
	_, err := present(f, f.cfg.Now())
	return err
}

// Close stops the watch and waits for it. It may be called more than once; the
// error is always nil.
func (f *Files) Close() error {
	f.files.close()
	return nil
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
	return nil
}

func (f *Files) tell(err error) {
	if f.cfg.OnUpdate != nil {
		f.cfg.OnUpdate(f.last.Load(), err)
	}
}
