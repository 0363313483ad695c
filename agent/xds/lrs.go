// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	loadv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// lrs is the load reporting service: clients say what they sent where.
type lrs struct {
	loadv3.UnimplementedLoadReportingServiceServer
	server *Server
}

type lrsStream = loadv3.LoadReportingService_StreamLoadStatsServer

// StreamLoadStats asks one client for the load of all its clusters and takes it.
func (l *lrs) StreamLoadStats(st lrsStream) error {
	s := l.server
	req, err := st.Recv()
	if err != nil {
		return ended(err)
	}
	node, err := nodeOf(req.GetNode(), connOf(st.Context()).peer, s.cfg.Limits)
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "xds: %v", err)
	}
	err = st.Send(&loadv3.LoadStatsResponse{
		SendAllClusters:       true,
		LoadReportingInterval: durationpb.New(s.cfg.LoadInterval),
	})
	for err == nil {
		if n := len(req.GetClusterStats()); n > s.cfg.Limits.Names {
			return status.Errorf(codes.ResourceExhausted, "xds: loads of %d clusters, at most %d are allowed", n, s.cfg.Limits.Names)
		}
		if n := longest(req); n > s.cfg.Limits.NameBytes {
			return status.Errorf(codes.InvalidArgument, "xds: loads of a cluster whose name has %d bytes, at most %d are allowed", n, s.cfg.Limits.NameBytes)
		}
		if loads := loadsOf(req); len(loads) > 0 {
			s.cfg.Loads.Report(node, loads)
			s.cfg.counts.reports.Add(1)
		}
		req, err = st.Recv()
	}
	return ended(err)
}

// longest is the length of the longest name of a cluster in a report: names are kept.
func longest(req *loadv3.LoadStatsRequest) int {
	n := 0
	for _, c := range req.GetClusterStats() {
		n = max(n, len(c.GetClusterName()), len(c.GetClusterServiceName()))
	}
	return n
}

// loadsOf reads a report.
func loadsOf(req *loadv3.LoadStatsRequest) []Load {
	var out []Load
	for _, c := range req.GetClusterStats() {
		base := Load{Cluster: c.GetClusterName(), Service: c.GetClusterServiceName(), Interval: interval(c)}
		for _, l := range c.GetUpstreamLocalityStats() {
			out = append(out, localityLoad(base, l))
		}
		if c.GetTotalDroppedRequests() > 0 {
			out = append(out, drops(base, c))
		}
	}
	return out
}

func interval(c *endpointv3.ClusterStats) time.Duration {
	return max(0, c.GetLoadReportInterval().AsDuration())
}

func localityLoad(l Load, s *endpointv3.UpstreamLocalityStats) Load {
	l.Region, l.Zone, l.SubZone = place(s.GetLocality())
	l.Issued = s.GetTotalIssuedRequests()
	l.Succeeded = s.GetTotalSuccessfulRequests()
	l.Failed = s.GetTotalErrorRequests()
	l.InProgress = s.GetTotalRequestsInProgress()
	for _, m := range s.GetLoadMetricStats() {
		if l.Metrics == nil {
			l.Metrics = map[string]Metric{}
		}
		l.Metrics[m.GetMetricName()] = Metric{m.GetNumRequestsFinishedWithMetric(), m.GetTotalMetricValue()}
	}
	return l
}

func drops(l Load, c *endpointv3.ClusterStats) Load {
	l.Dropped = c.GetTotalDroppedRequests()
	for _, d := range c.GetDroppedRequests() {
		if l.Drops == nil {
			l.Drops = map[string]uint64{}
		}
		l.Drops[d.GetCategory()] += d.GetDroppedCount()
	}
	return l
}

func place(l *corev3.Locality) (region, zone, subZone string) {
	return l.GetRegion(), l.GetZone(), l.GetSubZone()
}
