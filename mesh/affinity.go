// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"net/netip"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/policy"
)

// affinity is what gives a destination's calls the key that its consistent hash goes by,
// or that of their port does; nil where there is none.
func (p *policies) affinityOf(s *policy.Snapshot, d enmesh.Destination) (enmesh.Middleware, error) {
	return byPort(s, d, func(d enmesh.Destination) (enmesh.Middleware, error) { return p.affinity(s, d) })
}

// affinity is affinityOf for the port that d has.
func (p *policies) affinity(s *policy.Snapshot, d enmesh.Destination) (enmesh.Middleware, error) {
	switch h := s.Destination(d.Service).Traffic(d.Subset, d.Port).Hash; h.By {
	case policy.HashByHeader:
		return affinity.Header(h.Name), nil
	case policy.HashByQuery:
		return affinity.Query(h.Name), nil
	case policy.HashByCookie:
		cookie, err := affinity.Cookie(h.Cookie)
		if err != nil {
			return nil, fmt.Errorf("mesh: affinity of %s: %w", d, err)
		}
		return cookie, nil
	case policy.HashBySource:
		return affinity.SourceAddress(netip.Addr{}), nil
	case policy.HashByNothing:
	}
	return nil, nil //nolint:nilnil // enmesh.Chain leaves nil out
}
