// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"sync"
	"time"
)

// Consul is a scripted registry: it answers the part of Consul's HTTP API that discovery
// uses, honestly by default, and by [Consul.Script] in all the ways that a real one will
// not on command. It is an [net/http.Handler]; [Consul.Start] puts it on a real socket
// of 127.0.0.1 and [Consul.Client] on pipes in memory, for a testing/synctest bubble.
//
//	registry := enmeshtest.NewConsul()
//	registry.Set("reviews", enmeshtest.ConsulInstance{ID: "r1", Address: "127.0.0.1", Port: 9080})
//	addr := registry.Start(t)
//	...
//	registry.Script("/v1/health/service/reviews", enmeshtest.ConsulReply{Body: []byte("[]")})
//	registry.SetIndex(3) // as after the restore of an old snapshot
//	registry.Down()
//
// Honest answers follow the rules of blocking queries: the index of a service rises with
// each change of it, a query with the parameter index waits (for the parameter wait,
// five minutes by default) until it is above that, and an unknown service has the
// registry's own index. Filters on tag and passing work; other parameters are recorded
// and do nothing. Checks with a TTL expire; those that Consul would run itself keep
// their status. There is one agent, whose node is called "agent".
//
// It is safe for concurrent use. What goes in is kept, and not to be changed after.
type Consul struct {
	mu       sync.Mutex // guards all that follows; never held while a request waits or is answered
	index    uint64
	epoch    int // raised by SetIndex: queries from before it are answered at once
	services map[consulKey]*consulService
	agent    map[string]*consulRegistration
	scripts  []*consulScript
	requests []ConsulRequest
	waiting  map[string]int // blocked queries by path
	changed  chan struct{}  // closed and replaced by each change

	serving consulServing
}

// consulKey names a service in a datacenter.
type consulKey struct{ datacenter, name string }

// consulService is what was Set, and the index of the last change of the service.
type consulService struct {
	instances []ConsulInstance
	index     uint64
}

// The agent's own names.
const (
	consulDatacenter = "dc1"
	consulNode       = "agent"
)

// NewConsul makes a registry that knows nothing, at index 10.
func NewConsul() *Consul {
	return &Consul{
		index:    10,
		services: make(map[consulKey]*consulService),
		agent:    make(map[string]*consulRegistration),
		waiting:  make(map[string]int),
		changed:  make(chan struct{}),
	}
}

// Set replaces the instances of a service in the datacenter dc1. Those that were registered
// with the agent stay beside them. With none, the service is known and empty.
func (c *Consul) Set(service string, instances ...ConsulInstance) {
	c.SetIn(consulDatacenter, service, instances...)
}

// SetIn is Set for another datacenter, which is known from then on. Queries with the
// parameter dc reach it.
func (c *Consul) SetIn(datacenter, service string, instances ...ConsulInstance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.service(datacenter, service).instances = instances
	c.bump(datacenter, service)
}

// Touch raises the index of a service, and changes nothing else.
func (c *Consul) Touch(service string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.service(consulDatacenter, service)
	c.bump(consulDatacenter, service)
}

// SetIndex sets the index of the registry and of all services, as the restore of a
// snapshot does. It may go backwards: queries that wait are answered at once, and later
// ones with a higher index wait until they time out or are overtaken.
func (c *Consul) SetIndex(index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index = index
	for _, s := range c.services {
		s.index = index
	}
	c.epoch++
	c.wake()
}

// Index is the registry's index: that of its last change.
func (c *Consul) Index() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index
}

// service finds or makes the record of a service. c.mu is held.
func (c *Consul) service(datacenter, name string) *consulService {
	key := consulKey{datacenter, name}
	s := c.services[key]
	if s == nil {
		s = &consulService{}
		c.services[key] = s
	}
	return s
}

// bump gives a service the next index and wakes those who wait. c.mu is held.
func (c *Consul) bump(datacenter, name string) {
	c.index++
	c.service(datacenter, name).index = c.index
	c.wake()
}

// wake has all blocked queries look again. c.mu is held.
func (c *Consul) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Waiting is how many queries for a path are blocked now.
func (c *Consul) Waiting(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting[path]
}

// closeTimers ends the clocks of all checks.
func (c *Consul) closeTimers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.agent {
		r.stop()
	}
}

// maxWait is how long a query waits at most, and blockFor how long without saying.
const (
	maxConsulWait = 10 * time.Minute
	consulWait    = 5 * time.Minute
)
