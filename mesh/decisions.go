// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// How much is kept. Records are of at most maxStored services; those that were last
// heard of longest ago give way.
const (
	DefaultDecisions = 32 // of each service, and as many that failed
	maxDecisions     = 1000
	maxStored        = 256
	maxRings         = 8192
)

// WithDecisions says how many of the last calls to each service are remembered, for
// [Mesh.Decisions]: so many that went well, and as many that did not. 0 is 32, more than
// 1,000 is 1,000, negative remembers none. Calls are sampled: of each service at most 20
// a second that went well and 100 that did not.
func WithDecisions(n int) Option { return optionFunc(func(cfg *config) { cfg.decisions = n }) }

// decisions is the last calls of a process, by service. nil remembers none.
type decisions struct {
	naming enmesh.Naming
	size   int
	trails trails

	mu     sync.Mutex // guards what follows
	rings  map[string]*ring
	stores map[string]*store
}

func newDecisions(n enmesh.Naming, size int) *decisions {
	switch {
	case size < 0:
		return nil
	case size == 0:
		size = DefaultDecisions
	}
	return &decisions{naming: n, size: min(size, maxDecisions), rings: map[string]*ring{}, stores: map[string]*store{}}
}

// ring is what bounds the recording of a service's calls. Its recorders share it, and it
// stays when policy is loaded anew.
type ring struct{ good, bad, tries rate }

// ring is the one of a service. Of very many, the last share one.
func (d *decisions) ring(service string) *ring {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.rings) >= maxRings {
		if r := d.rings[service]; r != nil {
			return r
		}
		service = ""
	}
	r := d.rings[service]
	if r == nil {
		r = &ring{}
		d.rings[service] = r
	}
	return r
}

// store is the records of a service.
type store struct {
	good, bad circular
	last      time.Time
}

// record is a decision, and the hosts that lead to it by the rule.
type record struct {
	Decision
	hosts []string
}

// circular is the last few records.
type circular struct {
	all  []record
	next int
}

func (c *circular) add(r record, size int) {
	if len(c.all) < size {
		c.all = append(c.all, r)
		return
	}
	c.all[c.next] = r
	c.next = (c.next + 1) % size
}

// add remembers a call.
func (d *decisions) add(r record, bad bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stores[r.Service]
	if s == nil {
		s = &store{}
		d.makeRoom()
		d.stores[r.Service] = s
	}
	s.last = r.At
	if bad {
		s.bad.add(r, d.size)
	} else {
		s.good.add(r, d.size)
	}
}

// makeRoom forgets the service that was last heard of longest ago, if there are as many
// as may be; mu is held.
func (d *decisions) makeRoom() {
	if len(d.stores) < maxStored {
		return
	}
	oldest := ""
	for name, s := range d.stores {
		if oldest == "" || s.last.Before(d.stores[oldest].last) {
			oldest = name
		}
	}
	delete(d.stores, oldest)
}

// Decisions are the last calls to a service, the newest first: those that were sent to it,
// and those to a host of that name that a VirtualService sent elsewhere. It is named as in
// calls, "reviews"; "" is all services. See [WithDecisions] for how many there are.
func (m *Mesh) Decisions(service string) []Decision {
	d := m.decisions
	if d == nil {
		return nil
	}
	key := m.naming.Key(service)
	var out []Decision
	d.mu.Lock()
	for name, s := range d.stores {
		for _, c := range [...]*circular{&s.good, &s.bad} {
			for i := range c.all {
				if r := &c.all[i]; service == "" || name == key || slices.Contains(r.hosts, key) {
					out = append(out, r.Decision)
				}
			}
		}
	}
	d.mu.Unlock()
	slices.SortStableFunc(out, func(a, b Decision) int { return b.At.Compare(a.At) })
	return out
}

// services are the names of those with records, sorted.
func (d *decisions) services() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.stores))
}
