// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"reflect"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// difference is what a merge found.
type difference struct {
	all, added, removed []*Endpoint
	altered             bool // something that stays is described otherwise
}

func (d *difference) any() bool { return d.altered || len(d.added)+len(d.removed) > 0 }

// merge takes the registry's list and says what is different; mu is held. Lists
// mostly repeat themselves, so it walks along the list before and looks up only what
// does not stand where it is expected; anew looks at everything, for a configuration
// that changed.
func (c *Cluster) merge(eps []discovery.Endpoint, anew bool) difference {
	if !anew && c.repeats(eps) {
		return difference{}
	}
	before := c.told
	if anew {
		before = nil
	}
	c.gen++
	d := difference{all: make([]*Endpoint, 0, len(eps))}
	hosts := slices.Grow(c.spare[:0], len(eps))[:len(eps)]
	clear(hosts)
	next := 0 // where in the list before the present entry is expected
	chosen := c.subset(eps)
	for i := range eps {
		if !chosen.has(i) {
			continue
		}
		h := c.find(&eps[i], before, &next, &d)
		if h == nil {
			continue
		}
		h.gen = c.gen
		hosts[i] = h
		d.all = append(d.all, &h.self)
	}
	for i, h := range hosts {
		if h != nil {
			h.at = i
		}
	}
	c.dropUnseen(&d)
	if !anew {
		clear(c.told)
		c.told = append(c.told[:0], eps...)
	}
	c.hosts, c.spare = hosts, c.hosts
	return d
}

// find is the endpoint of an entry: the one at next in the list before, if it is that,
// else wherever it may be. next moves along.
func (c *Cluster) find(ep *discovery.Endpoint, before []discovery.Endpoint, next *int, d *difference) *host {
	if at := *next; at < len(before) && same(ep, &before[at]) {
		*next = at + 1
		if h := c.hosts[at]; h != nil && h.gen != c.gen {
			return h
		}
		return c.place(ep, d)
	}
	h := c.place(ep, d)
	if h != nil && h.gen != 0 {
		*next = h.at + 1
	}
	return h
}

// repeats reports whether the list is the one before, in the same order.
func (c *Cluster) repeats(eps []discovery.Endpoint) bool {
	if len(eps) != len(c.told) {
		return false
	}
	for i := range eps {
		if !same(&eps[i], &c.told[i]) {
			return false
		}
	}
	return true
}

// place finds the endpoint of an entry, or makes it. It returns nil for one that the
// cluster has no use for, and for the second of two that cannot be told apart.
func (c *Cluster) place(ep *discovery.Endpoint, d *difference) *host {
	addrs, ok := c.reaches(ep)
	if !ok {
		return nil
	}
	id := identify(addrs, ep)
	h := c.index[id]
	switch {
	case h == nil:
		h = c.admit(id, addrs, ep)
		c.furnish(h)
		c.index[id] = h
		d.added = append(d.added, &h.self)
	case h.gen == c.gen:
		return nil
	case !h.knows(ep):
		h.tell(ep)
		d.altered = true
	}
	return h
}

// reaches is the addresses of an entry, and whether the cluster has a use for it.
func (c *Cluster) reaches(ep *discovery.Endpoint) ([]string, bool) {
	if !c.selects(ep) {
		return nil, false
	}
	return ep.Address(c.cfg.Destination.Port, c.cfg.Protocol.String())
}

// admit makes the endpoint of an entry that is new. It is cold if others are there
// already.
func (c *Cluster) admit(id identity, addrs []string, ep *discovery.Endpoint) *host {
	h := newHost(c, id, addrs, ep)
	if c.cfg.AwaitCheck {
		h.barred.Or(unhealthy)
	}
	if s := c.current.Load(); s != nil && len(s.Endpoints) > 0 {
		h.chill(c.now())
	}
	return h
}

// selects reports whether the endpoint has the subset's labels.
func (c *Cluster) selects(ep *discovery.Endpoint) bool {
	for key, want := range c.cfg.Subset {
		if labelOf(ep, key) != want {
			return false
		}
	}
	return true
}

// dropUnseen removes what the list before had and the present merge has not seen;
// publish bars it.
func (c *Cluster) dropUnseen(d *difference) {
	if len(c.index) == len(d.all) {
		return
	}
	for _, h := range c.hosts {
		if h == nil || h.gen == c.gen {
			continue
		}
		delete(c.index, h.id)
		d.removed = append(d.removed, &h.self)
	}
}

func identify(addrs []string, ep *discovery.Endpoint) identity {
	id := identity{addrs: addrs[0], namespace: ep.Namespace, account: ep.ServiceAccount}
	if len(addrs) > 1 {
		id.addrs = strings.Join(addrs, ",")
	}
	return id
}

// same is discovery.Endpoint.Equal, quick where a registry hands out the very maps and
// slices of before.
func same(a, b *discovery.Endpoint) bool {
	if !slices.Equal(a.Addrs, b.Addrs) {
		return false
	}
	if sameMap(a.Labels, b.Labels) && sameMap(a.Metadata, b.Metadata) {
		a, b := *a, *b
		a.Labels, b.Labels, a.Metadata, b.Metadata = nil, nil, nil, nil
		return a.Equal(b)
	}
	return a.Equal(*b)
}

// sameMap reports whether a and b are one map.
func sameMap(a, b map[string]string) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}
