// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// entry is an endpoint and what its checks have said. The Monitor's lock guards it.
type entry struct {
	endpoint *balance.Endpoint
	due      enmesh.Instant // when the next check starts
	index    int            // in the queue, from 0
	out      bool           // of the queue: it is being checked
	gone     bool
	hangs    bool // the last check has timed out and not returned
	cancel   context.CancelFunc

	healthy        bool
	passes, fails  uint32 // in a row; one of them is 0
	checks, failed uint64
	last           enmesh.Instant // when the last check ended; 0: there was none
	err            error          // of the last one
}

func (n *entry) queued() bool { return !n.out && !n.gone }

// learn takes the end of a check, and says whether the endpoint is healthy or not
// since. The first check decides by itself, as in Envoy.
func (n *entry) learn(cfg *Config, err error, now enmesh.Instant) (changed bool) {
	first := n.checks == 0
	n.checks++
	n.last, n.err = now, err
	if err == nil {
		n.passes, n.fails = n.passes+1, 0
		changed = first || !n.healthy && n.passes >= cfg.Healthy
		n.healthy = n.healthy || changed
		return changed
	}
	n.failed++
	n.passes, n.fails = 0, n.fails+1
	changed = n.healthy && (first || n.fails >= cfg.Unhealthy || errors.Is(err, ErrNow))
	n.healthy = n.healthy && !changed
	return changed
}

// schedule says when the next check is, after one that was due and has ended now. The
// second check comes at any time within an interval after the first: from there on
// the endpoints of a cluster are spread over it.
func (m *Monitor) schedule(n *entry, now enmesh.Instant) {
	m.used = m.used || n.endpoint.Latency() > 0
	every := m.cfg.Interval
	switch {
	case !n.healthy:
		every = m.cfg.UnhealthyInterval
	case !m.used:
		every = m.cfg.NoTrafficInterval
	}
	wait := every + m.upTo(m.cfg.Jitter)
	if n.checks == 1 {
		wait = every/10 + m.upTo(every-every/10)
	}
	n.due = max(n.due.Add(wait), now)
}

// Verdict is what a [Monitor] holds of one endpoint.
type Verdict struct {
	Endpoint *balance.Endpoint
	Healthy  bool           // until the first check it is taken to be
	Last     enmesh.Instant // when the last check ended; 0: there was none
	Err      error          // of the last check; nil if it succeeded
	Passes   uint32         // successes in a row
	Fails    uint32         // failures in a row
	Checks   uint64         // that ended
	Failed   uint64         // of these
}

func (n *entry) verdict() Verdict {
	return Verdict{
		Endpoint: n.endpoint, Healthy: n.healthy, Last: n.last, Err: n.err,
		Passes: n.passes, Fails: n.fails, Checks: n.checks, Failed: n.failed,
	}
}

// Report is what is held of every endpoint of the cluster, by address; nothing while
// the Monitor does not run.
func (m *Monitor) Report() []Verdict {
	m.mu.Lock()
	report := make([]Verdict, 0, len(m.entries))
	for _, n := range m.entries {
		report = append(report, n.verdict())
	}
	m.mu.Unlock()
	slices.SortFunc(report, func(a, b Verdict) int { return cmp.Compare(a.Endpoint.Addr(), b.Endpoint.Addr()) })
	return report
}

// queue is a heap of entries by when they are due.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for container/heap.
func (q *queue) Push(x any) {
	n := x.(*entry) //nolint:errcheck // only entries are pushed
	n.index, n.out = len(*q), false
	*q = append(*q, n)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	n := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	n.out = true
	return n
}
