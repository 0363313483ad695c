// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrNotReady says that a certificate has so little life left that no new work should
// come: see [Monitor.Ready].
var ErrNotReady = errors.New("security: the certificate is about to end")

// MonitorConfig has the knobs of a [Monitor]. The zero value is good.
type MonitorConfig struct {
	// Every is how often Run looks. 0 means 1 s; negative is refused.
	Every time.Duration
	// NotReady is the share of its life that a certificate must have left for Ready. 0
	// means 0.05; it must be below 1, negative is refused.
	NotReady float64
	// Low, when set, hears once for each certificate that it has no more than half, a
	// quarter or a tenth of its life left: share is 0.5, 0.25 or 0.1. It is called by Run.
	Low func(share float64, s Status)
	// Log gets the same, at the levels Info, Warn and Error, and each new failure as a
	// Warn. nil means slog.Default.
	Log *slog.Logger
	// Now replaces time.Now.
	Now func() time.Time
}

// Monitor is a [Source] that watches another one: how long its certificate lives, how
// often it changed, and why it does not. A source that knows why it could not renew tells
// by a method Err() error, as mtls.Files and ca.Source do.
type Monitor struct {
	src Source
	cfg MonitorConfig

	mu     sync.Mutex // guards what follows; nothing is called under it
	last   *Identity
	status Status
	told   int // how many of levels were told of last
}

// NewMonitor makes a Monitor of src, and looks once.
func NewMonitor(src Source, cfg MonitorConfig) (*Monitor, error) {
	switch {
	case src == nil:
		return nil, errors.New("security: monitor: there is no Source")
	case cfg.Every < 0:
		return nil, fmt.Errorf("security: monitor: Every is %v; it must be positive, or 0 for the default", cfg.Every)
	case !(cfg.NotReady >= 0 && cfg.NotReady < 1):
		return nil, fmt.Errorf("security: monitor: NotReady is %v; it must be at least 0 and below 1", cfg.NotReady)
	}
	if cfg.Every == 0 {
		cfg.Every = time.Second
	}
	if cfg.NotReady == 0 {
		cfg.NotReady = 0.05
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := &Monitor{src: src, cfg: cfg}
	m.Status()
	return m, nil
}

// Identity is that of the source.
func (m *Monitor) Identity() (*Identity, error) {
	own, err := m.src.Identity()
	m.mu.Lock()
	same := err == nil && own == m.last
	m.mu.Unlock()
	if !same {
		m.note(own, m.reason(own, err))
	}
	return own, err
}

// reason is why there is no identity, or none that is newer.
func (m *Monitor) reason(own *Identity, err error) error {
	teller, ok := m.src.(interface{ Err() error })
	switch {
	case err != nil:
		return err
	case own == nil:
		return errNone
	case ok:
		return teller.Err()
	}
	return nil
}

var errNone = errors.New("security: the source has no identity")

// note takes what the source has answered, and says whether it is a new failure.
func (m *Monitor) note(own *Identity, err error) (failed bool) {
	now := m.cfg.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.status
	if own != nil && own != m.last {
		if m.last != nil && !own.NotAfter().Equal(s.NotAfter) {
			s.Rotations++
		}
		m.last, m.told = own, 0
		s.ID, s.NotBefore, s.NotAfter, s.Since = own.ID(), own.NotBefore(), own.NotAfter(), now
	}
	failed = err != nil && (s.Err == nil || s.Err.Error() != err.Error())
	if failed {
		s.Failures++
	}
	s.Err = err
	return failed
}

// Status is how things stand now.
func (m *Monitor) Status() Status {
	s, _ := m.look()
	return s
}

// look asks the source, and says whether there is a new failure.
func (m *Monitor) look() (Status, bool) {
	own, err := m.src.Identity()
	failed := m.note(own, m.reason(own, err))
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, failed
}

// Ready says why this process should get no new work: it has no certificate, or one that
// has less than NotReady of its life left, of which the error wraps [ErrNotReady]; nil when
// all is well. A renewal that fails while there is time does not count. So a process that
// cannot renew is taken out before its calls fail.
func (m *Monitor) Ready() error {
	s, now := m.Status(), m.cfg.Now()
	switch {
	case s.ID.IsZero():
		return s.Err
	case s.Share(now) > m.cfg.NotReady:
		return nil
	case s.Err != nil:
		return fmt.Errorf("%w: that of %s is good for %v: %w", ErrNotReady, s.ID, s.Left(now).Round(time.Second), s.Err)
	}
	return fmt.Errorf("%w: that of %s is good for %v", ErrNotReady, s.ID, s.Left(now).Round(time.Second))
}

// levels are the shares of life at which Run tells.
var levels = []struct {
	share float64
	level slog.Level
}{{0.5, slog.LevelInfo}, {0.25, slog.LevelWarn}, {0.1, slog.LevelError}}

// Run looks until ctx ends, whose error it returns, and tells what MonitorConfig says.
func (m *Monitor) Run(ctx context.Context) error {
	tick := time.NewTicker(m.cfg.Every)
	defer tick.Stop()
	for {
		m.tell(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (m *Monitor) tell(ctx context.Context) {
	s, failed := m.look()
	if failed {
		m.cfg.Log.WarnContext(ctx, "security: no newer certificate", "id", s.ID.String(), "error", s.Err)
	}
	if s.ID.IsZero() {
		return
	}
	now := m.cfg.Now()
	share, at := s.Share(now), 0
	for at < len(levels) && share <= levels[at].share {
		at++
	}
	m.mu.Lock()
	from := m.told
	m.told = max(at, from)
	m.mu.Unlock()
	for i := from; i < at; i++ {
		m.cfg.Log.LogAttrs(ctx, levels[i].level, "security: the certificate has little life left",
			slog.String("id", s.ID.String()), slog.Float64("share", levels[i].share), slog.Duration("left", s.Left(now)))
		if m.cfg.Low != nil {
			m.cfg.Low(levels[i].share, s)
		}
	}
}
