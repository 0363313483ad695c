// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"math"

	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// clusters makes the clusters of one scope.
type clusters struct {
	cfg    *Config
	policy *policy.Snapshot
	notes  *notes
}

// cluster is where calls to d go, whose instances are eps (those of the whole service).
func (c *clusters) cluster(d enmesh.Destination, eps []discovery.Endpoint) *clusterpb.Cluster {
	name := clusterName(d)
	rule := c.policy.Destination(d.Service)
	traffic := rule.Traffic(d.Subset, d.Port)
	origin := originOf(rule, d.Subset)
	out := &clusterpb.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterpb.Cluster_Type{Type: clusterpb.Cluster_EDS},
		EdsClusterConfig:     &clusterpb.Cluster_EdsClusterConfig{EdsConfig: ads(), ServiceName: name},
		// Clients look at it even where LoadBalancingPolicy is set.
		LbPolicy:            clusterpb.Cluster_ROUND_ROBIN,
		LoadBalancingPolicy: c.balancing(traffic, origin),
		CircuitBreakers:     breakers(traffic.MaxRequests),
		TransportSocket:     c.secured(d, c.policy.TLS(d), eps, origin),
	}
	if c.notes.client == policy.GRPCNode {
		ringForNode(out)
	}
	if traffic.DetectOutliers {
		out.OutlierDetection = c.outliers(traffic.Outlier, origin)
	}
	if c.cfg.LoadReports {
		out.LrsServer = &corepb.ConfigSource{
			ConfigSourceSpecifier: &corepb.ConfigSource_Self{Self: &corepb.SelfConfigSource{}},
			ResourceApiVersion:    corepb.ApiVersion_V3,
		}
	}
	return out
}

// originOf is the file:line of what says how a subset is balanced.
func originOf(rule *policy.Destination, subset string) string {
	if rule == nil {
		return ""
	}
	return rule.Sources(subset)[0].Origin
}

// breakers bounds the calls in flight. It is always said: gRPC's own default is 1024,
// where Istio has none.
func breakers(most uint32) *clusterpb.CircuitBreakers {
	if most == 0 {
		most = math.MaxUint32
	}
	return &clusterpb.CircuitBreakers{Thresholds: []*clusterpb.CircuitBreakers_Thresholds{{
		Priority: corepb.RoutingPriority_DEFAULT, MaxRequests: wrapperspb.UInt32(most),
	}}}
}

// nearlyAll is the share of failures, in percent, that ejects: gRPC asks for more than it,
// so that 100 would eject nobody.
const nearlyAll = 99

// outliers approximates errors in a row, which gRPC does not count: an instance is
// ejected if nearly all of at least so many calls in an interval failed.
func (c *clusters) outliers(o outlier.Config, origin string) *clusterpb.OutlierDetection {
	volume := o.Consecutive5xx
	if g := o.ConsecutiveGateway; g != 0 && (volume == 0 || g < volume) {
		volume = g
	}
	if volume == 0 {
		c.notes.add(policy.Ignored, origin, "outlierDetection counts no errors that gRPC does: nothing is ejected")
		return nil
	}
	c.notes.add(policy.Approximated, origin,
		"gRPC counts no errors in a row: an instance is ejected if more than 99% of at least as many calls failed within the interval")
	u32 := wrapperspb.UInt32
	return &clusterpb.OutlierDetection{
		Interval: durationpb.New(o.Interval), BaseEjectionTime: durationpb.New(o.BaseEjection),
		MaxEjectionTime: durationpb.New(max(o.MaxEjection, o.BaseEjection)), MaxEjectionPercent: u32(min(o.MaxEjectionPercent, 100)),
		FailurePercentageThreshold: u32(nearlyAll), EnforcingFailurePercentage: u32(100),
		FailurePercentageMinimumHosts: u32(1), FailurePercentageRequestVolume: u32(volume),
		EnforcingSuccessRate: u32(0), EnforcingConsecutive_5Xx: u32(0), EnforcingConsecutiveGatewayFailure: u32(0),
	}
}
