// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// decisionLabels are the labels of enmesh_decisions_total.
var decisionLabels = []string{"reporter", "source_workload", "destination_service", "policy", "action", "shadow"}

// Decisions is the recorder of what the policies of one side decide. On a server the
// destination is the workload itself.
func (c *Collector) Decisions(s telemetry.Scope) enmesh.Recorder {
	return &decisions{scope: s, family: c.decided}
}

type decisions struct {
	scope  telemetry.Scope
	family *family[atomic.Uint64]
	known  telemetry.Cache[decisionKey, *series[atomic.Uint64]]
}

type decisionKey struct {
	enmesh.Decision
	service string
}

// Record counts d. It allocates nothing once a decision of the kind was counted.
func (o *decisions) Record(c *enmesh.Call, d enmesh.Decision) {
	k := decisionKey{Decision: d}
	if o.scope.Side == enmesh.Client && c != nil {
		k.service = c.Service
	}
	h := telemetry.Hash(0).String(d.Policy).String(string(d.Action)).String(k.service)
	if d.Shadow {
		h = h.Uint(1)
	}
	if s, ok := o.known.Get(uint64(h), &k); ok {
		s.value.Add(1)
		return
	}
	s, room := o.family.series(o.values(&k))
	if room {
		o.known.Put(uint64(h), k, s)
	} else {
		o.family.folded.Add(1)
	}
	s.value.Add(1)
}

func (o *decisions) values(k *decisionKey) []string {
	self := o.scope.Self.Canonical()
	reporter, source, to := "source", self.Name, k.service
	if o.scope.Side == enmesh.Server {
		reporter, source, to = "destination", "", self.CanonicalService
	}
	full, _, _ := service(o.scope.Naming, to)
	shadow := "false"
	if k.Shadow {
		shadow = "true"
	}
	return orUnknown([]string{reporter, source, full, k.Policy, string(k.Action), shadow})
}
