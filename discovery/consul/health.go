// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// health is the worst of the checks of an instance and of its node.
type health int

const (
	passing health = iota
	warning
	maintenance // an operator has taken it out: it finishes what it has
	critical
)

// health goes through the checks. Maintenance is a critical check of a known name;
// beside it another critical check still means critical, since such an instance
// cannot finish anything.
func (e *entry) health() health {
	worst := passing
	for _, c := range e.Checks {
		now := critical // an unknown status is no good sign
		switch {
		case c.CheckID == "_node_maintenance" || strings.HasPrefix(c.CheckID, "_service_maintenance:"):
			now = maintenance
		case c.Status == "passing":
			now = passing
		case c.Status == "warning":
			now = warning
		}
		worst = max(worst, now)
	}
	return worst
}

// weight is the share for the state of health. Consul's 0 drains, and so does
// maintenance.
func (e *entry) weight(h health, draining bool) (weight uint32, drain bool) {
	if h == maintenance {
		return 0, true
	}
	w := e.Service.Weights
	if w == nil {
		return 0, draining
	}
	share := w.Passing
	if h == warning {
		share = w.Warning
	}
	if h == critical { // only seen when all are: by what they would have if well
		share = max(share, 1)
	}
	if share <= 0 {
		return 0, true
	}
	return uint32(min(share, math.MaxUint32)), draining
}

// selection is how a service's instances become endpoints.
type selection struct {
	tags          []string
	taggedAddress string
	passingOnly   bool
	noPanic       bool
	unhealthy     bool
}

// choose leaves out who is not well, or marks it, unless nobody is well, and keeps one of
// those that share an address.
func (s *selection) choose(found []candidate) []discovery.Endpoint {
	limit := s.limit(found)
	var chosen []candidate
	for _, c := range found {
		switch {
		case c.health <= limit || c.health == maintenance:
			chosen = append(chosen, c)
		case s.unhealthy && !c.ep.Draining:
			c.ep.Draining, c.ep.Unhealthy = true, true
			chosen = append(chosen, c)
		}
	}
	return distinct(chosen)
}

// limit is the worst health that is let in: as bad as it must be for somebody to
// serve.
func (s *selection) limit(found []candidate) health {
	limit, worst := warning, critical
	if s.passingOnly {
		limit = passing
	}
	if s.noPanic {
		worst = limit
	}
	serves := func(c candidate) bool {
		return c.health <= limit && c.health != maintenance && !c.ep.Draining
	}
	for limit < worst && !slices.ContainsFunc(found, serves) {
		limit++
	}
	return limit
}

// distinct keeps one endpoint for each address: the best in health, then the one
// registered last. A process that was killed leaves its registration behind, at the
// address where its successor now listens.
func distinct(cs []candidate) []discovery.Endpoint {
	slices.SortStableFunc(cs, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.health, b.health), cmp.Compare(b.created, a.created), cmp.Compare(a.key, b.key))
	})
	seen := make(map[string]bool, len(cs))
	eps := make([]discovery.Endpoint, 0, len(cs))
	for _, c := range cs {
		if address := c.ep.Addrs[0]; !seen[address] {
			seen[address] = true
			eps = append(eps, c.ep)
		}
	}
	return eps
}
