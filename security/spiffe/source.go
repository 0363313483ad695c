// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/enmesh-go/enmesh/security"
)

// Source is a [security.Source] over the Workload API. It holds one connection to it and
// one goroutine that watches, until Close.
type Source struct {
	cfg    Config
	latest security.Latest
	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

// New connects to the Workload API and waits for the first identity, until ctx ends. It is
// an error when none came, when the API refuses for good, and when cfg makes no sense;
// the error says what the API answered last.
func New(ctx context.Context, cfg Config) (*Source, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, done: make(chan struct{})}
	s.latest.OnUpdate, s.latest.Now = cfg.OnUpdate, cfg.Now
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	watching, cancel := context.WithCancel(context.Background()) // it outlives ctx, and ends in Close
	s.cancel = cancel
	go s.run(watching, client)
	select {
	case <-s.latest.Ready():
		return s, nil
	case <-ctx.Done():
		_ = s.Close() // it has no error
		if err := s.latest.Err(); !errors.Is(err, security.ErrNoIdentity) {
			return nil, fmt.Errorf("spiffe: no identity from %s: %w: %w", cfg.Address, context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("spiffe: no identity from %s: %w", cfg.Address, context.Cause(ctx))
	}
}

// Identity is the last good one, until its end. After Close it stays what it was. See
// [security.Latest].
func (s *Source) Identity() (*security.Identity, error) {
	own, err := s.latest.Identity()
	if err != nil {
		return nil, fmt.Errorf("spiffe: %w", err)
	}
	return own, nil
}

// Err says why the watch is not well: the API is out of reach, or gave something that is
// not in force. It is nil when all is well.
func (s *Source) Err() error {
	if err := s.latest.Err(); err != nil {
		return fmt.Errorf("spiffe: %w", err)
	}
	return nil
}

// Close ends the watch and waits for it. It may be called more than once; the error is
// always nil.
func (s *Source) Close() error {
	s.once.Do(s.cancel)
	<-s.done
	return nil
}

func (s *Source) connect(ctx context.Context) (*workloadapi.Client, error) {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(s.cfg.Address), workloadapi.WithBackoffStrategy(s.cfg.Backoff))
	if err != nil {
		return nil, fmt.Errorf("spiffe: Address %q: %w", s.cfg.Address, err)
	}
	return client, nil
}

// run watches until ctx ends. The library's watch gives up where the server says that it
// was cancelled or that the request is invalid, which a server that restarts may do; and a
// stream whose other end was lost without a word stays silent. In both cases it begins
// anew, with a new connection.
func (s *Source) run(ctx context.Context, client *workloadapi.Client) {
	defer close(s.done)
	failed := s.cfg.Backoff.NewBackoff()
	for {
		if client != nil {
			began := time.Now()
			s.watch(ctx, client)
			_ = client.Close() // nothing is left to say on it
			if time.Since(began) > s.cfg.Backoff.Cap {
				failed.Reset()
			}
		}
		if !sleep(ctx, failed.Next()) {
			return
		}
		var err error
		if client, err = s.connect(ctx); err != nil {
			s.latest.Fail(err)
		}
	}
}

// watch is one watch. It ends early when the certificate should have been renewed long
// since.
func (s *Source) watch(ctx context.Context, client *workloadapi.Client) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	overdue := time.AfterFunc(s.overdue(), cancel)
	defer overdue.Stop()
	w := &watcher{ctx: ctx, source: s, overdue: overdue}
	_ = client.WatchX509Context(ctx, w) // the watcher has heard of it
}

// patience is how long a watch waits for the first word, and how long at least a
// watch lasts whose certificate is overdue.
const patience = time.Minute

// overdue is when to give a silent watch up: with a quarter of the certificate's life left.
// Agents renew at half of it.
func (s *Source) overdue() time.Duration {
	own, err := s.latest.Identity()
	if err != nil {
		return patience
	}
	leaf := own.Certificate().Leaf
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return max(leaf.NotAfter.Add(-life/4).Sub(s.cfg.Now()), patience)
}

// sleep waits for d and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
