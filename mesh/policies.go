// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/policy"
)

// policies is the policy in force and its history: it turns a snapshot into routes
// and clusters, and keeps the last good one.
type policies struct {
	mesh      *Mesh
	side      *side
	current   atomic.Pointer[policy.Snapshot] // what clusters and chains are made of
	inForce   atomic.Pointer[policy.Snapshot] // what calls are routed by: current, once all of it is swapped
	detectors detectors

	mu      sync.Mutex // guards what follows
	applied time.Time
	loads   uint64
	refused uint64
	err     error // of the last load; nil when it was applied
}

func newPolicies(m *Mesh, s *side) *policies {
	p := &policies{mesh: m, side: s}
	p.current.Store(&policy.Snapshot{})
	p.inForce.Store(p.current.Load())
	return p
}

// applyNone puts Istio's defaults in force.
func (p *policies) applyNone() error { return p.apply(&policy.Snapshot{}) }

// follow applies every load of the files and sources until ctx ends. The outcome of the
// first is sent on first.
func (p *policies) follow(ctx context.Context, first chan<- error) {
	w := p.mesh.cfg.workload
	loader := policy.Loader{Namespace: w.namespace(), Labels: w.labels(), RootNamespace: p.mesh.cfg.security.root, Domain: p.mesh.cfg.domain}
	for s, err := range loader.WatchSources(ctx, p.sources(), p.mesh.cfg.policies...) {
		if err == nil {
			err = p.apply(s)
		}
		p.note(s, err)
		if first != nil {
			first <- err
			if err != nil {
				return
			}
			first = nil
		}
	}
}

// sources are those of the program, kept on disk where endpoints are.
func (p *policies) sources() []policy.Source {
	cfg := &p.mesh.cfg
	if cfg.cache.Dir == "" {
		return cfg.sources
	}
	var out []policy.Source
	for i, s := range cfg.sources {
		name := filepath.Join(cfg.cache.Dir, "policy", strconv.Itoa(i)+".json")
		out = append(out, policy.Keep(s, name, func(err error) { cfg.log.Warn("policy cannot be kept on disk", "error", err) }))
	}
	return out
}

// note remembers how a load went, and tells the log.
func (p *policies) note(s *policy.Snapshot, err error) {
	p.mu.Lock()
	p.loads++
	p.err = err
	if err != nil {
		p.refused++
	} else {
		p.applied = time.Now()
	}
	p.mu.Unlock()
	log := p.mesh.cfg.log
	if err != nil {
		log.Error("policy refused; the last good one stays in force", "error", err)
		return
	}
	log.Info("policy applied", "version", s.Version, "documents", len(s.Documents))
	for _, f := range s.Notes() {
		log.Warn("policy: "+f.String(), "verdict", f.Verdict.String())
	}
}

// apply puts a snapshot in force, or leaves everything as it was. Clusters learn of
// it before routes lead to them, and those that no route leads to any more are left
// as they are, so that a call that is between the two meets a cluster that serves.
func (p *policies) apply(s *policy.Snapshot) error {
	serving, err := p.mesh.served.prepare(s)
	if err != nil {
		return err
	}
	before := p.current.Swap(s)
	p.mesh.entries.Set(s)
	p.mesh.source.reconfigure()
	if err := p.mesh.table.Swap(p.hosts(s)); err != nil {
		p.current.Store(before)
		p.mesh.entries.Set(before)
		p.mesh.source.reconfigure()
		return errors.Join(err, serving.store.abandon())
	}
	p.inForce.Store(s)
	return errors.Join(p.mesh.served.swap(serving), p.mesh.dialer.outside.keep(s.UsesTLS))
}

// cluster is the configuration of a destination's cluster, or why there can be
// none.
func (p *policies) cluster(d enmesh.Destination, protocol enmesh.Protocol) (balance.ClusterConfig, *enmesh.Error) {
	dest := p.current.Load().Destination(d.Service)
	t := dest.Traffic(d.Subset, d.Port)
	cfg := balance.ClusterConfig{Destination: d, Protocol: protocol}
	said := p.mesh.services[d.Service]
	t.Outlier, t.DetectOutliers = said.outlier(t)
	cfg.Algorithm, cfg.Panic, cfg.Connection = p.algorithm(t, said.Algorithm), t.MinHealthPercent, t.Connection
	if d.Subset != "" {
		labels, ok := dest.Labels(d.Subset)
		if !ok {
			return cfg, balance.ErrNoCluster
		}
		cfg.Subset = labels
	}
	if t.DetectOutliers {
		cfg.Gates = p.detectors.gates(clusterKey{d, protocol}, t.Outlier)
	}
	said.tune(&cfg)
	return cfg, nil
}

// algorithm chooses among a destination's instances: by its hash, by name or as the
// program says, newcomers little by little, the near ones first.
func (p *policies) algorithm(t policy.Traffic, program balance.Algorithm) balance.Algorithm {
	a := t.Hash.Algorithm()
	if a == nil {
		if a = program; t.Algorithm != "" || a == nil {
			a, _ = balance.ByName(t.Algorithm)
		}
		if t.SlowStart.Window > 0 {
			a = balance.SlowStart(t.SlowStart, a)
		}
	}
	return p.near(t, a)
}
