// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"context"
	"errors"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
)

// service is one whose instances somebody needs to know.
type service struct {
	key       string // see serviceOf
	described described
	cancel    context.CancelFunc
	entries   map[*entry]struct{} // that need it
	known     bool
	absent    bool // the registry says that there is no such service, and never had an instance
	set       []discovery.Endpoint
	made      map[string]xds.Resource // assignments of the present set, by what they depend on
	counts    map[string]int          // of instances that these left out
}

// need has an entry depend on a service. c.mu is held.
func (c *Catalog) need(e *entry, key string) {
	if e.needs == key {
		return
	}
	if s := c.services[e.needs]; s != nil {
		delete(s.entries, e)
		if len(s.entries) == 0 {
			s.cancel()
			delete(c.services, e.needs)
			delete(c.described, e.needs)
		}
	}
	e.needs = key
	if key != "" {
		c.service(key).entries[e] = struct{}{}
	}
}

// service finds or makes a service. c.mu is held.
func (c *Catalog) service(key string) *service {
	s := c.services[key]
	if s == nil {
		s = &service{key: key, described: c.described[key], entries: map[*entry]struct{}{}}
		var ctx context.Context
		ctx, s.cancel = context.WithCancel(c.ctx)
		c.services[key] = s
		c.wait.Go(func() { c.follow(ctx, s) })
	}
	return s
}

// follow takes in what the registry, or a ServiceEntry, says of a service.
func (c *Catalog) follow(ctx context.Context, s *service) {
	for set, err := range c.instances(ctx, s) {
		if ctx.Err() != nil {
			return
		}
		c.apply(s, set, err)
	}
}

// apply takes in one piece of news. After an error the last good set stays; a service that
// never was is absent.
func (c *Catalog) apply(s *service, set []discovery.Endpoint, err error) {
	defer c.deliver()
	c.mu.Lock()
	defer c.mu.Unlock()
	known, absent := s.known, s.absent
	switch {
	case err == nil:
		s.set, s.known, s.absent = set, true, s.absent && len(set) == 0
	case s.known || !errors.Is(err, discovery.ErrUnknownService):
		return
	default:
		s.absent = true
	}
	s.made, s.counts = nil, nil
	same := known == s.known && absent == s.absent
	for e := range s.entries {
		if same && e.kind == xds.Listener {
			continue // it depends on nothing else
		}
		c.rebuild(e)
	}
}

// told reports whether the registry has said anything of a service.
func (s *service) told() bool { return s != nil && (s.known || s.absent) }
