// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import "time"

// Loads takes what clients say of the calls they made.
type Loads interface {
	// Report takes the loads of one report of one client. It does not block. The
	// counts are those of the interval before the report, not sums.
	Report(n *Node, loads []Load)
}

// Load is what one client sent to one locality of one cluster in an interval.
// Drops count for the whole cluster: their Load has no locality and no calls.
type Load struct {
	Cluster, Service      string // the cluster's name, and its EDS name when that differs
	Region, Zone, SubZone string
	Interval              time.Duration // what the report covers
	Issued                uint64        // begun in the interval
	Succeeded, Failed     uint64        // ended in the interval
	InProgress            uint64        // open at its end
	Dropped               uint64        // never sent, by a drop policy or the circuit breaker
	Drops                 map[string]uint64
	Metrics               map[string]Metric // of the endpoints' own reports (ORCA), by name
}

// Metric is a sum over Count calls.
type Metric struct {
	Count uint64
	Sum   float64
}
