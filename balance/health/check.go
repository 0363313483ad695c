// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"container/heap"
	"context"
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh"
)

// ErrHangs is the end of a check that could not be made: the one before has timed out
// and not returned yet.
var ErrHangs = errors.New("health: the check before has not returned yet")

// check starts a check; mu is held. One that does not return in time has failed, and
// makes room for others; its endpoint is not asked again before it has returned.
func (m *Monitor) check(ctx context.Context, n *entry, now enmesh.Instant) {
	n.due = now
	if n.hangs {
		m.checks.Go(func() { m.finish(ctx, n, ErrHangs) })
		m.active++
		return
	}
	m.active++
	n.hangs = true
	limited, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	n.cancel = cancel
	m.checks.Go(func() {
		defer cancel()
		late := make(chan struct{})
		stop := context.AfterFunc(limited, func() {
			defer close(late)
			m.finish(ctx, n, fmt.Errorf("health: no answer within %v", m.cfg.Timeout))
		})
		err := m.ask(limited, n)
		m.mu.Lock()
		n.hangs = false
		m.mu.Unlock()
		if stop() {
			m.finish(ctx, n, err)
		} else {
			<-late
		}
	})
}

// ask runs the Checker; a panic of its is a failure.
func (m *Monitor) ask(ctx context.Context, n *entry) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("health: the checker panicked: %v", r)
		}
	}()
	return m.checker.Check(ctx, n.endpoint)
}

// finish takes what a check has said, unless the endpoint has gone or the Monitor ends.
func (m *Monitor) finish(ctx context.Context, n *entry, err error) {
	now := enmesh.Now()
	m.mu.Lock()
	m.active--
	if n.gone || ctx.Err() != nil {
		m.mu.Unlock()
		m.nudge()
		return
	}
	changed := n.learn(&m.cfg, err, now)
	v := n.verdict()
	m.mu.Unlock()
	if changed {
		n.endpoint.SetHealthy(v.Healthy)
		if m.tell != nil {
			m.tell(v)
		}
	}
	m.mu.Lock()
	if !n.gone {
		m.schedule(n, now)
		heap.Push(&m.queue, n)
	}
	m.mu.Unlock()
	m.nudge()
}
