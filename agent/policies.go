// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/policy"
)

// policies follows the sources of policy and has the last good set in force.
type policies struct {
	paths   []string
	sources []policy.Source
	loader  policy.Loader
	enforce func(*policy.Snapshot) // puts it in force
	log     *slog.Logger
	disk    string // the file of the last good set; "": none is kept

	applying sync.Mutex // held while a set comes into force, so that the latest stays

	mu     sync.Mutex // guards what follows
	force  *policy.Snapshot
	status PolicyStatus
}

// origin is where a set of policy is from.
type origin int

const (
	empty    origin = iota // nothing is configured
	restored               // the disk
	loaded                 // the sources
)

// patience is how long a start waits for the sources before it takes what is on disk.
const patience = 200 * time.Millisecond

func newPolicies(cfg Config, enforce func(*policy.Snapshot)) *policies {
	p := &policies{
		paths: cfg.Policies, sources: cfg.PolicySources, enforce: enforce, log: cfg.Log,
		loader: policy.Loader{Namespace: cfg.Namespace, RootNamespace: cfg.RootNamespace, Domain: cfg.Domain},
	}
	if cfg.SnapshotDir != "" {
		p.disk = filepath.Join(cfg.SnapshotDir, "policy.json")
	}
	return p
}

// open begins to follow, and returns when something is in force, or nothing can be soon. It is
// an error when files are all there is, and they are refused.
func (p *policies) open(ctx, background context.Context, wait *sync.WaitGroup) error {
	if len(p.paths) == 0 && len(p.sources) == 0 {
		none, err := p.loader.Parse(nil)
		if err != nil {
			return err
		}
		p.apply(none, empty)
		return nil
	}
	first := make(chan error, 1)
	wait.Go(func() { p.follow(background, first) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case err = <-first:
		if err == nil {
			return nil
		}
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.restore() || len(p.sources) > 0 || err == nil {
		return nil
	}
	return err
}

// follow takes every load until ctx ends. The outcome of the first is sent on first.
func (p *policies) follow(ctx context.Context, first chan<- error) {
	for s, err := range p.loader.WatchSources(ctx, p.sources, p.paths...) {
		p.take(s, err)
		if first != nil {
			first <- err
			first = nil
		}
	}
}

// take puts a load in force, or notes why not. It is counted once that is done: who sees a
// load in the status finds its policy served.
func (p *policies) take(s *policy.Snapshot, err error) {
	if err != nil {
		p.mu.Lock()
		p.status.Loads++
		p.status.Refused++
		p.status.Error, p.status.ErrorAt = err.Error(), time.Now()
		p.mu.Unlock()
		p.log.Error("agent: policy refused; the last good one stays in force", "error", err)
		return
	}
	p.apply(s, loaded)
	if p.disk == "" {
		return
	}
	err = keepPolicy(p.disk, s)
	if err != nil {
		p.log.Warn("agent: policy on disk", "error", err)
	}
	p.mu.Lock()
	p.status.DiskError = textOf(err)
	p.mu.Unlock()
}

// apply puts a snapshot in force, and begins to answer. One that is restored gives way to any
// that was loaded, and is no load.
func (p *policies) apply(s *policy.Snapshot, from origin) {
	p.applying.Lock()
	defer p.applying.Unlock()
	if from == restored && p.inForce() != nil {
		return
	}
	p.enforce(s)
	p.mu.Lock()
	p.force = s
	p.status.Version, p.status.Documents = s.Version, len(s.Documents)
	p.status.Applied, p.status.Restored = time.Now(), from == restored
	if from == loaded {
		p.status.Loads++
		p.status.Error, p.status.ErrorAt = "", time.Time{}
	}
	p.mu.Unlock()
	p.log.Info("agent: policy applied", "version", s.Version, "documents", len(s.Documents), "restored", from == restored)
}

// restore puts the last good policy of an earlier process in force, unless there is one by
// now. It reports whether there is one.
func (p *policies) restore() bool {
	if p.inForce() != nil {
		return true
	}
	if p.disk == "" {
		return false
	}
	files, err := restorePolicy(p.disk)
	var s *policy.Snapshot
	if err == nil {
		s, err = p.loader.Parse(files)
	}
	if err != nil {
		p.log.Warn("agent: policy on disk", "error", err)
		return false
	}
	p.apply(s, restored)
	return true
}

func (p *policies) inForce() *policy.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.force
}

func (p *policies) report() PolicyStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}
