// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"slices"
	"sync"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Detector watches the endpoints of one cluster. It needs no closing.
type Detector struct {
	cfg Config

	mu  sync.Mutex // guards out, and host.ejections of every host
	out []*host    // ejected, as far as known
}

// New makes a Detector.
func New(cfg Config) *Detector { return &Detector{cfg: cfg.normal()} }

// Config is the configuration with its defaults filled in.
func (d *Detector) Config() Config { return d.cfg }

// Gate is the gate of an endpoint of the cluster: the same one each time it is asked
// for, so that a cluster that is configured anew keeps its counts. It admits every
// call.
func (d *Detector) Gate(e *balance.Endpoint) enmesh.Gate {
	return e.Keep(d, func() any { return &host{detector: d, endpoint: e} }).(*host) //nolint:errcheck // what is kept for d is a *host
}

// eject takes h out, if the cluster can spare it.
func (d *Detector) eject(h *host, now enmesh.Instant) {
	set := h.endpoint.Cluster().Set()
	if set == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if h.endpoint.Ejected(now) || h.endpoint.Gone() || !d.spares(len(set.Endpoints), now) {
		return
	}
	h.ejections = h.standing(now) + 1
	h.endpoint.Eject(now.Add(d.cfg.ejection(h.ejections)))
	d.out = append(d.out, h)
}

// spares reports whether one more of n endpoints may be ejected; mu is held.
func (d *Detector) spares(n int, now enmesh.Instant) bool {
	d.out = slices.DeleteFunc(d.out, func(h *host) bool {
		return !h.endpoint.Ejected(now) || h.endpoint.Gone()
	})
	return len(d.out) < d.cfg.allowed(n)
}
