// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/policy"
)

// ServiceConfig says of the instances of a service what Istio's API has no field for.
type ServiceConfig struct {
	// Checker makes what asks the instances whether they are well; nil: nobody asks. Of
	// calls to a subset or a port of its own, each asks for itself. tls is how the mesh
	// would connect to them, for [health.Secure].
	Checker func(tls balance.TLSSource) (health.Checker, error)
	// Health is how often they are asked, and what is made of it.
	Health health.Config
	// AwaitCheck has new instances take calls only after a check that they passed.
	AwaitCheck bool
	// Subsetting is which of the instances this process has to do with; the zero value is
	// all.
	Subsetting balance.SubsetConfig
	// Algorithm chooses among the instances where no DestinationRule says how; nil:
	// Istio's default, balance.LeastRequest(2). Slow start and locality come on top of it.
	Algorithm balance.Algorithm
	// Outlier is the outlier detection, in place of a DestinationRule's outlierDetection,
	// which knows no rates; nil: as the rule says.
	Outlier *outlier.Config
	// Tune has the last word on a cluster of the service; nil: there is none. It may change
	// what it likes, but not the Destination, the Protocol and the Subset, and is called
	// again on each change of policy. It finds no Gates: those that it gives, as of a breaker
	// for each endpoint, stand inside the mesh's own, and keep what they know of an endpoint
	// over reloads by [balance.Endpoint.Keep].
	Tune func(cfg *balance.ClusterConfig)
}

// WithService adds to what policy says about calls to a service. The name is as callers
// write it; naming a service twice keeps the last.
func WithService(name string, cfg ServiceConfig) Option {
	return optionFunc(func(c *config) { c.services = append(c.services, namedService{name, cfg}) })
}

type namedService struct {
	name string
	ServiceConfig
}

// service is what WithService said of one, ready to be used.
type service struct {
	ServiceConfig
	checker health.Checker // nil: none
}

// openServices checks and keys what WithService said.
func (m *Mesh) openServices() error {
	m.services = make(map[string]service, len(m.cfg.services))
	for _, s := range m.cfg.services {
		if err := s.Subsetting.Validate(); err != nil {
			return fmt.Errorf("mesh: service %s: %w", s.name, err)
		}
		if s.AwaitCheck && s.Checker == nil {
			return fmt.Errorf("mesh: service %s: AwaitCheck without a Checker would leave it without instances: give it one", s.name)
		}
		made := service{ServiceConfig: s.ServiceConfig}
		if s.Checker != nil {
			var err error
			if made.checker, err = s.Checker(m); err != nil {
				return fmt.Errorf("mesh: service %s: %w", s.name, err)
			}
		}
		m.services[m.naming.Key(s.name)] = made
	}
	return nil
}

// tune adds to the configuration of a service's cluster.
func (s service) tune(cfg *balance.ClusterConfig) {
	cfg.Subsetting, cfg.AwaitCheck = s.Subsetting, s.AwaitCheck
	if s.Tune == nil {
		return
	}
	own := *cfg
	own.Gates = nil
	s.Tune(&own)
	own.Destination, own.Protocol, own.Subset, own.Gates = cfg.Destination, cfg.Protocol, cfg.Subset, gatesOfBoth(cfg.Gates, own.Gates)
	*cfg = own
}

// gatesOfBoth makes the gates of outer, and inside them those of inner. nil: none.
func gatesOfBoth(outer, inner func(*balance.Endpoint) []enmesh.Gate) func(*balance.Endpoint) []enmesh.Gate {
	switch {
	case outer == nil:
		return inner
	case inner == nil:
		return outer
	}
	return func(e *balance.Endpoint) []enmesh.Gate { return slices.Concat(outer(e), inner(e)) }
}

// outlier is what holds of a service's outlier detection, whose DestinationRule says t.
func (s service) outlier(t policy.Traffic) (cfg outlier.Config, detect bool) {
	if s.Outlier != nil {
		return *s.Outlier, true
	}
	return t.Outlier, t.DetectOutliers
}

// check has the instances of a new cluster asked until the mesh is closed.
func (m *Mesh) check(d enmesh.Destination, c *balance.Cluster) (checked bool) {
	s, ok := m.services[d.Service]
	if !ok || s.checker == nil {
		return false
	}
	log := m.cfg.log.With("service", d.String())
	monitor := health.New(c, s.Health, s.checker, health.OnChange(func(v health.Verdict) {
		if v.Healthy {
			log.Info("instance is well again", "instance", v.Endpoint.Addr())
			return
		}
		log.Warn("instance is unhealthy", "instance", v.Endpoint.Addr(), "error", v.Err)
	}))
	m.source.wait.Go(func() { _ = monitor.Run(m.source.ctx) }) // runs once: no error
	return true
}
