// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// health answers /v1/health/service/:service, once it has something new to say.
func (c *Consul) health(r *http.Request) (consulAnswer, *ConsulReply) {
	q := consulQuery{path: r.URL.Path, service: r.PathValue("service"), datacenter: r.URL.Query().Get("dc")}
	q.tags, q.passing = r.URL.Query()["tag"], r.URL.Query().Has("passing") && r.URL.Query().Get("passing") != "false"
	if q.datacenter == "" {
		q.datacenter = consulDatacenter
	}
	q.index, _ = strconv.ParseUint(r.URL.Query().Get("index"), 10, 64) // 0 when it is missing or bad, as in Consul
	wait := consulWait
	if d, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil && d > 0 {
		wait = min(d, maxConsulWait)
	}
	return c.await(r, q, wait)
}

// consulQuery is what a health query asks for.
type consulQuery struct {
	path, service, datacenter string
	tags                      []string
	passing                   bool
	index                     uint64
}

// await waits until the query can be answered, honestly or by script, and no longer than
// wait.
func (c *Consul) await(r *http.Request, q consulQuery, wait time.Duration) (consulAnswer, *ConsulReply) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[q.path]++
	defer func() { c.waiting[q.path]-- }()
	epoch, late := c.epoch, false
	for {
		reply := c.peek(q.path)
		if r.Context().Err() != nil {
			return consulAnswer{}, &ConsulReply{Cut: -1} // the client has gone, and uses up no script
		}
		fresh := q.index == 0 || late || c.epoch != epoch || c.indexOf(q) > q.index
		if fresh || reply != nil && !reply.Block {
			return c.look(q), c.take(q.path)
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			late = true
		case <-r.Context().Done():
		}
		c.mu.Lock()
	}
}

// indexOf is the index that an answer to the query has now. c.mu is held.
func (c *Consul) indexOf(q consulQuery) uint64 {
	if s := c.services[consulKey{q.datacenter, q.service}]; s != nil {
		return s.index
	}
	return c.index
}

// look makes the honest answer of now. c.mu is held.
func (c *Consul) look(q consulQuery) consulAnswer {
	if !c.knows(q.datacenter) {
		return textAnswer(http.StatusInternalServerError, "No path to datacenter")
	}
	index := c.indexOf(q)
	rows := []consulRow{}
	for _, in := range c.instances(q) {
		row := in.row(q.datacenter, q.service, index)
		if (!q.passing || row.passes()) && hasTags(in.Tags, q.tags) {
			rows = append(rows, row)
		}
	}
	a := jsonAnswer(rows)
	a.header.Set("X-Consul-Index", strconv.FormatUint(index, 10))
	a.header.Set("X-Consul-KnownLeader", "true")
	a.header.Set("X-Consul-LastContact", "0")
	a.header.Set("X-Consul-Effective-Consistency", "leader")
	a.header.Set("X-Consul-Query-Backend", "blocking-query")
	return a
}

// instances are those that were Set, then those of the agent in the order of their ids.
// c.mu is held.
func (c *Consul) instances(q consulQuery) []ConsulInstance {
	var all []ConsulInstance
	if s := c.services[consulKey{q.datacenter, q.service}]; s != nil {
		all = slices.Clone(s.instances)
	}
	if q.datacenter == consulDatacenter {
		for _, r := range c.registered() {
			if r.name == q.service {
				all = append(all, r.instance())
			}
		}
	}
	return all
}

// knows reports whether there is such a datacenter. c.mu is held.
func (c *Consul) knows(datacenter string) bool { return slices.Contains(c.datacenters(), datacenter) }

// datacenters are the agent's own, and those with services. c.mu is held.
func (c *Consul) datacenters() []string {
	all := []string{consulDatacenter}
	for key := range c.services {
		all = append(all, key.datacenter)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hasTags reports whether all wanted tags are there.
func hasTags(tags, want []string) bool {
	return !slices.ContainsFunc(want, func(tag string) bool { return !slices.Contains(tags, tag) })
}
