// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import "sync/atomic"

// Stats counts what a [Server] did since it was made.
type Stats struct {
	Streams   uint64 // that began
	Cut       uint64 // clients that did not read or answer
	Reports   uint64 // of load that were taken
	Listeners KindStats
	Routes    KindStats
	Clusters  KindStats
	Endpoints KindStats
}

// KindStats counts what was said of one kind.
type KindStats struct {
	Pushes   uint64 // responses
	Accepted uint64 // of these, answered by ACK
	Rejected uint64 // of these, answered by NACK
}

// Of are the counts of a kind.
func (s Stats) Of(k Kind) KindStats {
	return [...]KindStats{Listener: s.Listeners, Route: s.Routes, Cluster: s.Clusters, Endpoints: s.Endpoints}[k]
}

// Stats are the present counts.
func (s *Server) Stats() Stats {
	c := s.cfg.counts
	return Stats{
		Streams: c.streams.Load(), Cut: c.cut.Load(), Reports: c.reports.Load(),
		Listeners: c.of[Listener].read(), Routes: c.of[Route].read(),
		Clusters: c.of[Cluster].read(), Endpoints: c.of[Endpoints].read(),
	}
}

// counts are Stats as they are counted.
type counts struct {
	streams, cut, reports atomic.Uint64

	of [kinds]kindCounts
}

type kindCounts struct{ pushes, accepted, rejected atomic.Uint64 }

func (c *kindCounts) read() KindStats {
	return KindStats{c.pushes.Load(), c.accepted.Load(), c.rejected.Load()}
}
