// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// WatchStatus says how the watch of a service in a datacenter fares.
type WatchStatus struct {
	Service, Datacenter string
	Readers             int               // ranges that share the watch
	Endpoints           int               // in the last good answer
	Index               uint64            // of the last answer
	Confirmed           time.Time         // when the last good answer came; zero: none yet
	Contact             time.Duration     // since the answering server had heard of the leader
	Err                 error             // why it fails, or nil
	Answers             uint64            // of Consul, good or not
	Changes             uint64            // those that brought another set
	Backwards           uint64            // indexes below the one sent
	BadIndexes          uint64            // indexes that could not be used
	Failures            map[string]uint64 // by [Error.Reason]
	Rejected            map[string]uint64 // instances left out, by what is wrong: type, tag, meta, port, address
}

// Status lists the watches, by service and datacenter.
func (r *Registry) Status() []WatchStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []WatchStatus
	for service, w := range r.watches {
		for _, l := range w.each {
			s := l.stats.read()
			s.Service, s.Datacenter, s.Readers = service, l.dc, w.readers
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b WatchStatus) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Datacenter, b.Datacenter))
	})
	return out
}

// stats is a loop's own account. It is called under Registry.mu, and calls nothing.
type stats struct {
	mu sync.Mutex // guards s
	s  WatchStatus
}

func (t *stats) read() WatchStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.Failures, s.Rejected = maps.Clone(s.Failures), maps.Clone(s.Rejected)
	return s
}

func (t *stats) polled(ans *answer, m move) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Answers++
	t.s.Index, t.s.Contact = ans.index, ans.contact
	switch m {
	case backwards:
		t.s.Backwards++
	case useless:
		t.s.BadIndexes++
	}
	for reason, n := range ans.rejects {
		t.s.Rejected = add(t.s.Rejected, reason, n)
	}
}

func (t *stats) took(endpoints int, news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Endpoints, t.s.Confirmed = endpoints, time.Now()
	if news {
		t.s.Changes++
	}
}

// failed reports whether the failure has another reason than the one before it.
func (t *stats) failed(err error) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	news = t.s.Err == nil || reasonOf(t.s.Err) != reasonOf(err)
	t.s.Err = err
	t.s.Failures = add(t.s.Failures, reasonOf(err), 1)
	return news
}

// recovered reports whether there was a failure to recover from.
func (t *stats) recovered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	failing := t.s.Err != nil
	t.s.Err = nil
	return failing
}

func add(m map[string]uint64, key string, n int) map[string]uint64 {
	if m == nil {
		m = make(map[string]uint64)
	}
	m[key] += uint64(n)
	return m
}
