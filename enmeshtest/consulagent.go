// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// consulDefinition is a service as it is registered with the agent.
type consulDefinition struct {
	ID, Name        string
	Tags            []string
	Address         string
	Port            int
	Meta            map[string]string
	TaggedAddresses map[string]ConsulAddress
	Weights         ConsulWeights
	Check           *consulCheckDefinition
	Checks          []consulCheckDefinition
}

type consulCheckDefinition struct {
	CheckID, Name, Status string
	TTL                   string
}

// consulRegistration is a service that the agent holds. Consul.mu guards it.
type consulRegistration struct {
	name       string
	in         ConsulInstance
	checks     []*consulTTL
	maintained bool
}

// consulTTL is a check of a registration, with its clock.
type consulTTL struct {
	check ConsulCheck
	ttl   time.Duration // 0 for one that does not expire
	timer *time.Timer   // nil likewise
}

// rearm begins the time to live anew.
func (t *consulTTL) rearm() {
	if t.timer != nil {
		t.timer.Reset(t.ttl)
	}
}

// consulAgentRow is a service as /v1/agent/services has it.
type consulAgentRow struct {
	ID, Service     string
	Tags            []string
	Meta            map[string]string
	Port            int
	Address         string
	TaggedAddresses map[string]ConsulAddress `json:",omitempty"`
	Weights         ConsulWeights
	Datacenter      string
	ContentHash     string `json:",omitempty"` // of one service, not of a list
}

// Registered are the ids of the services that the agent holds, in order.
func (c *Consul) Registered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.agent))
}

// Forget takes all registrations away, as an agent does that restarts without its data.
func (c *Consul) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.agent)) {
		c.deregister(id)
	}
}

// SetCheck sets the status of a check, such as "service:reviews-1", to passing, warning or
// critical, and reports whether the agent has it.
func (c *Consul) SetCheck(id, status string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setCheck(id, status, "").status == 200
}

// The functions below hold c.mu.

// registered are the agent's services in the order of their ids.
func (c *Consul) registered() []*consulRegistration {
	return slices.SortedFunc(maps.Values(c.agent), func(a, b *consulRegistration) int { return cmp.Compare(a.in.ID, b.in.ID) })
}

// register takes a definition in, in the place of one with its id.
func (c *Consul) register(def consulDefinition) {
	if def.ID == "" {
		def.ID = def.Name
	}
	c.deregister(def.ID)
	reg := &consulRegistration{name: def.Name, in: ConsulInstance{
		ID: def.ID, Address: def.Address, Port: def.Port, Tags: def.Tags, Meta: def.Meta,
		TaggedAddresses: def.TaggedAddresses, Weights: def.Weights,
	}}
	defs := def.Checks
	if def.Check != nil {
		defs = append([]consulCheckDefinition{*def.Check}, defs...)
	}
	for i, d := range defs {
		reg.checks = append(reg.checks, c.newCheck(reg, d, i, len(defs)))
	}
	c.agent[def.ID] = reg
	c.bump(consulDatacenter, def.Name)
}

// newCheck makes the check number i of n, with Consul's defaults: critical at first, and
// called after the service.
func (c *Consul) newCheck(reg *consulRegistration, d consulCheckDefinition, i, n int) *consulTTL {
	id := d.CheckID
	if id == "" {
		id = "service:" + reg.in.ID
		if n > 1 {
			id += ":" + strconv.Itoa(i+1)
		}
	}
	t := &consulTTL{
		check: ConsulCheck{
			CheckID: id, Name: cmp.Or(d.Name, "Service '"+reg.name+"' check"),
			Status: cmp.Or(d.Status, "critical"), ServiceID: reg.in.ID,
		},
		ttl: parseTTL(d.TTL),
	}
	if t.ttl > 0 {
		t.timer = time.AfterFunc(t.ttl, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.agent[reg.in.ID] == reg {
				c.update(reg, t, "critical", "TTL expired")
			}
		})
	}
	return t
}

// deregister reports whether the agent had the service.
func (c *Consul) deregister(id string) bool {
	reg := c.agent[id]
	if reg == nil {
		return false
	}
	reg.stop()
	delete(c.agent, id)
	c.bump(consulDatacenter, reg.name)
	return true
}

// update sets a check, and raises the index when that changes it.
func (c *Consul) update(reg *consulRegistration, t *consulTTL, status, output string) {
	if t.check.Status == status && t.check.Output == output {
		return
	}
	t.check.Status, t.check.Output = status, output
	c.bump(consulDatacenter, reg.name)
}

// check is the one with this id, or nil.
func (r *consulRegistration) check(id string) *consulTTL {
	for _, t := range r.checks {
		if t.check.CheckID == id {
			return t
		}
	}
	return nil
}

func (r *consulRegistration) stop() {
	for _, t := range r.checks {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
}

// instance is the registration with its checks as they are now.
func (r *consulRegistration) instance() ConsulInstance {
	in := r.in
	in.registered = true
	for _, t := range r.checks {
		in.Checks = append(in.Checks, t.check)
	}
	if r.maintained {
		in.Checks = append(in.Checks, ConsulCheck{
			CheckID: "_service_maintenance:" + in.ID, Name: "Service Maintenance Mode", Status: "critical", ServiceID: in.ID,
		})
	}
	return in
}

// row is the registration in a list of the agent's.
func (r *consulRegistration) row() consulAgentRow {
	s := r.in.service(r.name, 0)
	return consulAgentRow{
		ID: s.ID, Service: s.Service, Tags: s.Tags, Meta: s.Meta, Port: s.Port, Address: s.Address,
		TaggedAddresses: s.TaggedAddresses, Weights: s.Weights, Datacenter: consulDatacenter,
	}
}

// hashedRow is the registration by itself, with the hash that such answers have.
func (r *consulRegistration) hashedRow() consulAgentRow {
	row := r.row()
	text, err := json.Marshal(row)
	if err == nil {
		sum := sha256.Sum256(text)
		row.ContentHash = hex.EncodeToString(sum[:8])
	}
	return row
}
