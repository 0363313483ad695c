// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"slices"

	"github.com/enmesh-go/enmesh/balance"
)

// How many services without an instance are followed, and how many hosts outside of the
// mesh have a cluster. A program that calls whatever hosts others name would follow more and
// more of them for ever: beyond these numbers the oldest give way, and begin anew when they
// are called again.
const (
	maxVacant  = 1024
	maxOutside = 1024
)

// crowd is what a source has opened, in that order.
type crowd struct {
	services []string     // watches
	outside  []clusterKey // clusters of hosts outside of the mesh
	looked   int          // how many services there were after the last look for vacant ones
}

// thin makes room for one more cluster: it leaves services that have no instance, and hosts
// outside that have no call in flight, a quarter of them once there are too many. next is the
// clusters to be; those that it loses are to be refused when s.mu, which is held, is not.
func (s *source) thin(next map[clusterKey]*balance.Cluster) (left []*balance.Cluster) {
	if len(s.watches) >= max(s.crowd.looked, maxVacant*3/4)+maxVacant/4 {
		left = s.leaveVacant()
		s.crowd.looked = len(s.watches)
	}
	if len(s.crowd.outside) >= maxOutside {
		left = append(left, s.leaveOutside(next)...)
	}
	if len(left) > 0 {
		gone := make(map[*balance.Cluster]bool, len(left))
		for _, c := range left {
			gone[c] = true
		}
		for key, c := range next { // by any spelling
			if gone[c] {
				delete(next, key)
			}
		}
	}
	return left
}

// leaveVacant stops following the oldest services without an instance, all but three quarters
// of what there may be.
func (s *source) leaveVacant() (left []*balance.Cluster) {
	vacant := 0
	for _, service := range s.crowd.services {
		if s.watches[service].vacant() {
			vacant++
		}
	}
	excess := vacant - maxVacant*3/4
	s.crowd.services = slices.DeleteFunc(s.crowd.services, func(service string) bool {
		w := s.watches[service]
		if excess <= 0 || !w.vacant() {
			return false
		}
		excess--
		delete(s.watches, service)
		left = append(left, w.leave()...)
		return true
	})
	return left
}

// leaveOutside forgets the oldest hosts outside that are not being called, a quarter of what
// there may be.
func (s *source) leaveOutside(clusters map[clusterKey]*balance.Cluster) (left []*balance.Cluster) {
	s.crowd.outside = slices.DeleteFunc(s.crowd.outside, func(key clusterKey) bool {
		c := clusters[key]
		if len(left) == maxOutside/4 || busy(c) {
			return false
		}
		left = append(left, c)
		return true
	})
	return left
}

// busy reports whether a cluster has a call in flight.
func busy(c *balance.Cluster) bool {
	set := c.Set()
	return set != nil && slices.ContainsFunc(set.Endpoints, func(e *balance.Endpoint) bool { return e.InFlight() > 0 })
}

// vacant reports whether a service may be left: it has no instance, and nobody keeps it.
func (w *watch) vacant() bool {
	if w.kept {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.set) == 0
}

// leave stops following a service, whose clusters are nobody's then.
func (w *watch) leave() (clusters []*balance.Cluster) {
	w.end()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
	for _, c := range w.clusters {
		clusters = append(clusters, c)
	}
	return clusters
}
