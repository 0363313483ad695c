// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
)

// mirrors compiles where copies of a rule's calls go. A share that is not given is
// all of them; one of 0 is none, as in Istio.
func (b *builder) mirrors(c cursor, r *networking.HTTPRoute) []Mirror {
	if len(r.GetRoute()) == 0 {
		return nil
	}
	var out []Mirror
	add := func(at cursor, d *networking.Destination, share uint32) {
		to := b.destination(at, d)
		if share > 0 {
			out = append(out, Mirror{to, share})
		}
	}
	if d := r.GetMirror(); d != nil {
		add(c.field("mirror"), d, mirrorShare(r))
	}
	for i, m := range r.GetMirrors() {
		at := c.field("mirrors").item(i)
		add(at.field("destination"), m.GetDestination(), shareOf(m.GetPercentage()))
	}
	return out
}

// mirrorShare is the share of a rule's one mirror; the percentage goes before the
// whole number of old.
func mirrorShare(r *networking.HTTPRoute) uint32 {
	if whole := r.GetMirrorPercent(); whole != nil && r.GetMirrorPercentage() == nil { //nolint:staticcheck // deprecated and still read
		return min(whole.GetValue(), 100) * 10_000
	}
	return shareOf(r.GetMirrorPercentage())
}

// shareOf is a percentage in parts per million, cut off; none is all.
func shareOf(p *networking.Percent) uint32 {
	if p == nil {
		return route.Million
	}
	return uint32(p.GetValue() * 10_000)
}
