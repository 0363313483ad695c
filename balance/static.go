// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// NewStaticSource is a Source over a list that does not change, for tests and for
// programs without a mesh. Service names are brought into one form by the zero
// [enmesh.Naming], so that "reviews" and "reviews.default:9080" meet. A subset is a
// version: "v1" has the endpoints whose label "version" is "v1". A service that is
// not in the map has a cluster that refuses with [ErrNoCluster]. A nil algorithm is
// LeastRequest(2). The map's slices are not to be written afterwards.
func NewStaticSource(services map[string][]discovery.Endpoint, a Algorithm) Source {
	s := &staticSource{
		services:  make(map[string][]discovery.Endpoint, len(services)),
		algorithm: a,
		unknown:   NewCluster(ClusterConfig{Algorithm: a}),
	}
	for name, eps := range services {
		s.services[enmesh.Naming{}.Key(name)] = eps
	}
	s.unknown.Refuse(ErrNoCluster)
	s.clusters.Store(&map[staticKey]*Cluster{})
	return s
}

type staticKey struct {
	enmesh.Destination
	protocol enmesh.Protocol
}

type staticSource struct {
	services  map[string][]discovery.Endpoint // by key; never written again
	algorithm Algorithm
	unknown   *Cluster

	mu       sync.Mutex // serialises writers of clusters
	clusters atomic.Pointer[map[staticKey]*Cluster]
}

// Cluster is found under the name as it was written, so that the usual call does
// not format a key.
func (s *staticSource) Cluster(d enmesh.Destination, p enmesh.Protocol) *Cluster {
	if c := (*s.clusters.Load())[staticKey{d, p}]; c != nil {
		return c
	}
	service := enmesh.Naming{}.Key(d.Service)
	eps, ok := s.services[service]
	if !ok {
		return s.unknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.join(d, service, p, eps)
}

// join finds the cluster under its key, or makes it, and notes the name; mu is held.
func (s *staticSource) join(written enmesh.Destination, service string, p enmesh.Protocol, eps []discovery.Endpoint) *Cluster {
	d := written
	d.Service = service
	before := *s.clusters.Load()
	c := before[staticKey{d, p}]
	if c == nil {
		cfg := ClusterConfig{Destination: d, Protocol: p, Algorithm: s.algorithm}
		if d.Subset != "" {
			cfg.Subset = map[string]string{"version": d.Subset}
		}
		c = NewCluster(cfg)
		c.Apply(eps)
	}
	after := make(map[staticKey]*Cluster, len(before)+2)
	for k, v := range before {
		after[k] = v
	}
	after[staticKey{d, p}], after[staticKey{written, p}] = c, c
	s.clusters.Store(&after)
	return c
}
