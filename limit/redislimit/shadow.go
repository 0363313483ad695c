// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"errors"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// rehearse decides about a call that goes on meanwhile, and tells of a refusal. What is known
// in memory is decided at once; the rest waits for Redis on a goroutine of its own.
func (q *Quota) rehearse(key string, c *enmesh.Call) {
	d := &enmesh.Call{ // for whoever is told, when c may be over
		Side: c.Side, Protocol: c.Protocol, Kind: c.Kind,
		Destination: c.Destination, Method: c.Method, Path: c.Path, Route: c.Route, Clock: c.Clock,
	}
	e, v, wait := q.look(d, key)
	if v != unknown {
		q.tell(d, q.count(d, e.slot, v, wait))
		return
	}
	e.taken-- // it is counted beside
	e.mu.Unlock()
	if q.launch(func() { q.tell(d, q.decide(q.ctx, d, key)) }) == nil {
		return
	}
	e.mu.Lock()
	q.tell(d, q.settleLocally(d, e))
}

// tell tells of a refusal, if err is one.
func (q *Quota) tell(d *enmesh.Call, err error) {
	if errors.Is(err, limit.ErrLimited) && q.cfg.Recorder != nil {
		q.cfg.Recorder.Record(d, enmesh.Decision{Policy: "limit", Action: enmesh.ActionRefuse, Shadow: true})
	}
}
