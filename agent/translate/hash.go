// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/enmesh-go/enmesh/policy"
)

// channelKey is the filter state that gRPC's clients have: a number for each channel.
const channelKey = "io.grpc.channel_id"

// hashes is what the calls of a rule are hashed by, for those of its destinations that
// choose by a hash.
func (r *routes) hashes(rule *policy.Rule) []*routepb.RouteAction_HashPolicy {
	var out []*routepb.RouteAction_HashPolicy
	var seen []policy.Hash
	for _, t := range rule.Split {
		d := r.destination(t)
		h := r.policy.Destination(d.Service).Traffic(d.Subset, d.Port).Hash
		key := policy.Hash{By: h.By, Name: h.Name}
		if !hashed(h, r.notes.client) || slices.Contains(seen, key) {
			continue
		}
		seen = append(seen, key)
		out = append(out, hashPolicy(h))
	}
	return out
}

// hashed reports whether a client can choose by a hash.
func hashed(h policy.Hash, client policy.Enforcer) bool {
	return (h.By == policy.HashByHeader || h.By == policy.HashBySource) && !core(client)
}

func hashPolicy(h policy.Hash) *routepb.RouteAction_HashPolicy {
	if h.By == policy.HashByHeader {
		return &routepb.RouteAction_HashPolicy{PolicySpecifier: &routepb.RouteAction_HashPolicy_Header_{
			Header: &routepb.RouteAction_HashPolicy_Header{HeaderName: h.Name},
		}}
	}
	return &routepb.RouteAction_HashPolicy{PolicySpecifier: &routepb.RouteAction_HashPolicy_FilterState_{
		FilterState: &routepb.RouteAction_HashPolicy_FilterState{Key: channelKey},
	}}
}
