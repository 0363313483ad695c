// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	weightedpb "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3"
	leastpb "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	firstpb "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/pick_first/v3"
	ringpb "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/ring_hash/v3"
	roundpb "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	localitypb "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/wrr_locality/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/policy"
)

// Bounds of a ring, in entries: gRPC refuses more than the second, and cuts at the third
// by itself.
const (
	defaultRing = 1024
	largestRing = 8 << 20
	usualRing   = 4096
)

// balancing is the algorithm, and after it what those choose by who do not have it.
func (c *clusters) balancing(t policy.Traffic, origin string) *clusterpb.LoadBalancingPolicy {
	if h := t.Hash; h.By != policy.HashByNothing {
		if p := c.ring(h, origin); p != nil {
			return p
		}
		return byLocality(roundRobin())
	}
	least := extension("envoy.load_balancing_policies.least_request", &leastpb.LeastRequest{ChoiceCount: wrapperspb.UInt32(2)})
	switch t.Algorithm {
	case "", "UNSPECIFIED", "LEAST_REQUEST", "LEAST_CONN":
		return byLocality(least, roundRobin())
	case "PEAK_EWMA":
		how := "PEAK_EWMA: instances are weighted by the load that they report (ORCA), as far as they do"
		if c.notes.client == policy.GRPCNode {
			how += "; with GRPC_EXPERIMENTAL_XDS_WRR_LB=true only, else they are chosen in turn"
		}
		c.notes.add(policy.Approximated, origin, how)
		return byLocality(extension("envoy.load_balancing_policies.client_side_weighted_round_robin",
			&weightedpb.ClientSideWeightedRoundRobin{}), roundRobin())
	case "PICK_FIRST":
		if c.notes.client == policy.GRPCNode {
			c.notes.add(policy.Approximated, origin, "PICK_FIRST: with GRPC_EXPERIMENTAL_PICKFIRST_LB_CONFIG=true only, else instances are chosen in turn")
		}
		return policies(extension("envoy.load_balancing_policies.pick_first",
			&firstpb.PickFirst{ShuffleAddressList: true}), localities(roundRobin()))
	case "RANDOM", "PASSTHROUGH":
		c.notes.add(policy.Approximated, origin, t.Algorithm+": gRPC has it not, and goes round")
	}
	return byLocality(roundRobin())
}

// ring is a consistent hash; nil: this client cannot, or has nothing to hash.
func (c *clusters) ring(h policy.Hash, origin string) *clusterpb.LoadBalancingPolicy {
	switch {
	case core(c.notes.client):
		c.notes.add(policy.Ignored, origin, "consistentHash is not sent to C-core, which it has been seen to crash: instances are chosen in turn")
		return nil
	case h.By == policy.HashByCookie, h.By == policy.HashByQuery:
		c.notes.add(policy.Ignored, origin, "calls of gRPC have no cookies and no query to hash: instances are chosen in turn")
		return nil
	case h.By == policy.HashBySource:
		c.notes.add(policy.Approximated, origin, "useSourceIp: each channel of the client has its own instance")
	}
	if h.Maglev {
		c.notes.add(policy.Approximated, origin, "maglev: gRPC has a ring only")
	}
	least := uint64(h.Ring.MinSize)
	if least == 0 {
		least = defaultRing
	}
	least = min(least, largestRing)
	ring := &ringpb.RingHash{
		HashFunction:    ringpb.RingHash_XX_HASH,
		MinimumRingSize: wrapperspb.UInt64(least), MaximumRingSize: wrapperspb.UInt64(max(least, usualRing)),
	}
	return policies(extension("envoy.load_balancing_policies.ring_hash", ring), localities(roundRobin()))
}

// ringForNode says a ring in the older of the two ways: Node's client rejects its own policy
// when the sizes are in it, which it reads as texts (@grpc/grpc-js-xds 1.14.1).
func ringForNode(out *clusterpb.Cluster) {
	first := out.GetLoadBalancingPolicy().GetPolicies()[0].GetTypedExtensionConfig().GetTypedConfig()
	var ring ringpb.RingHash
	if !first.MessageIs(&ring) || first.UnmarshalTo(&ring) != nil {
		return
	}
	out.LoadBalancingPolicy, out.LbPolicy = nil, clusterpb.Cluster_RING_HASH
	out.LbConfig = &clusterpb.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterpb.Cluster_RingHashLbConfig{
		HashFunction:    clusterpb.Cluster_RingHashLbConfig_XX_HASH,
		MinimumRingSize: ring.GetMinimumRingSize(), MaximumRingSize: ring.GetMaximumRingSize(),
	}}
}

func roundRobin() *clusterpb.LoadBalancingPolicy_Policy {
	return extension("envoy.load_balancing_policies.round_robin", &roundpb.RoundRobin{})
}

// byLocality chooses a locality by its weight, and in it by the first of inner that a
// client has.
func byLocality(inner ...*clusterpb.LoadBalancingPolicy_Policy) *clusterpb.LoadBalancingPolicy {
	return policies(localities(inner...))
}

func localities(inner ...*clusterpb.LoadBalancingPolicy_Policy) *clusterpb.LoadBalancingPolicy_Policy {
	return extension("envoy.load_balancing_policies.wrr_locality", &localitypb.WrrLocality{EndpointPickingPolicy: policies(inner...)})
}

func policies(list ...*clusterpb.LoadBalancingPolicy_Policy) *clusterpb.LoadBalancingPolicy {
	return &clusterpb.LoadBalancingPolicy{Policies: list}
}

func extension(name string, config proto.Message) *clusterpb.LoadBalancingPolicy_Policy {
	return &clusterpb.LoadBalancingPolicy_Policy{
		TypedExtensionConfig: &corepb.TypedExtensionConfig{Name: name, TypedConfig: packed(config)},
	}
}
