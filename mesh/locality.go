// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"sync"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// near has a destination's nearer instances preferred to others, as its policy says; it is
// inside nothing and outside the algorithm.
func (p *policies) near(t policy.Traffic, inner balance.Algorithm) balance.Algorithm {
	var cfg balance.LocalityConfig
	if t.Locality != nil {
		cfg = *t.Locality
	}
	w := p.mesh.cfg.workload
	cfg.Local, cfg.Labels, cfg.OutlierDetection = w.Locality, w.labels(), t.DetectOutliers
	if cfg.ZoneAware.Enabled && !cfg.Disabled {
		cfg.ZoneAware.Peers = p.mesh.peers.known()
	}
	return balance.Locality(cfg, inner)
}

// peers is the other instances of this process's own service, for policies that weigh
// zones: asked for once somebody wants to know.
type peers struct {
	mesh *Mesh
	once sync.Once
	now  balance.Peers
}

// known is what is known of them; nobody, where the process has not said what it is.
func (p *peers) known() *balance.Peers {
	if p.mesh.cfg.workload.Service == "" {
		return nil
	}
	p.once.Do(func() {
		service := p.mesh.naming.Key(p.mesh.cfg.workload.Service)
		p.mesh.source.listen(service, func(set []discovery.Endpoint) { p.now.Apply(set) })
	})
	return &p.now
}
