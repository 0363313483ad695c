// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges

import (
	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/lane"
	"github.com/enmesh-go/enmesh/telemetry"
)

// Calls is the observer of a client chain's calls, for telemetry.Calls. The edge's
// From is s.Self's canonical service.
func (t *Table) Calls(s telemetry.Scope) telemetry.Observer {
	return &calls{scope: s, table: t}
}

// Attempts is the observer of a client chain's attempts, for telemetry.Attempts.
func (t *Table) Attempts(s telemetry.Scope) telemetry.Observer {
	return &attempts{scope: s, table: t}
}

// key is all that may differ between the calls of a chain and shows in a Table.
type key struct {
	service  string
	version  string
	status   int32
	code     enmesh.Code
	protocol enmesh.Protocol
}

func (k *key) hash() uint64 {
	n := uint64(k.code)<<40 | uint64(k.status)<<8 | uint64(k.protocol)
	return uint64(telemetry.Hash(0).Uint(n).String(k.version).Uint(uint64(len(k.service))))
}

// calls observes the calls of one chain.
type calls struct {
	scope telemetry.Scope
	table *Table
	cache telemetry.Cache[key, *code]
}

// Observe counts a call.
func (o *calls) Observe(r enmesh.Result) {
	c := r.Call
	k := key{service: c.Service, version: telemetry.VersionOf(c.Endpoint), protocol: c.Protocol, code: enmesh.CodeOf(r.Err)}
	if c.Protocol == enmesh.HTTP {
		k.status = int32(telemetry.Status(r))
	}
	hash := k.hash()
	n, ok := o.cache.Get(hash, &k)
	if !ok {
		key := k
		n = o.table.code(o.table.edge(nameOf(o.scope, &key)), codeText(&key), telemetry.Failed(r.Err))
		o.cache.Put(hash, key, n)
	}
	here := lane.Here()
	n.requests.AddIn(here, 1)
	n.edge.counts.In(here).latency.observe(r.Latency(c.Start))
}

// attempts observes the attempts of one chain.
type attempts struct {
	scope telemetry.Scope
	table *Table
	cache telemetry.Cache[key, *edge]
}

// Observe counts an attempt.
func (o *attempts) Observe(r enmesh.Result) {
	c := r.Call
	k := key{service: c.Service, version: telemetry.VersionOf(c.Endpoint), protocol: c.Protocol}
	hash := k.hash()
	e, ok := o.cache.Get(hash, &k)
	if !ok {
		key := k
		e = o.table.edge(nameOf(o.scope, &key))
		o.cache.Put(hash, key, e)
	}
	e.counts.In(lane.Here()).attempts.Add(1)
}
