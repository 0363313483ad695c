// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"sync"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
)

// detectors are the outlier detectors of clusters: one for each as long as its
// configuration stays, so that a reload forgets no ejection.
type detectors struct {
	mu   sync.Mutex // guards made
	made map[clusterKey]detector
}

type detector struct {
	cfg   outlier.Config
	gates func(*balance.Endpoint) []enmesh.Gate
}

// gates is what hangs a cluster's detector on its endpoints.
func (d *detectors) gates(key clusterKey, cfg outlier.Config) func(*balance.Endpoint) []enmesh.Gate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if have, ok := d.made[key]; ok && have.cfg == cfg {
		return have.gates
	}
	detect := outlier.New(cfg)
	gates := func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detect.Gate(e)} }
	if d.made == nil {
		d.made = map[clusterKey]detector{}
	}
	d.made[key] = detector{cfg, gates}
	return gates
}
