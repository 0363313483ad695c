// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Name is what an edge is known by.
type Name struct {
	From     string `json:"from"`     // the caller
	To       string `json:"to"`       // the service called
	Version  string `json:"version"`  // of the instance that answered; "unknown"
	Protocol string `json:"protocol"` // "http" or "grpc"
}

func compareNames(a, b Name) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To),
		cmp.Compare(a.Version, b.Version), cmp.Compare(a.Protocol, b.Protocol))
}

// Edge is what was counted on one edge. In JSON its percentiles are p50_ms and
// p99_ms, in milliseconds.
type Edge struct {
	Name
	Requests uint64
	Attempts uint64
	Failures uint64
	// Codes counts the answers: by HTTP status ("200"; "0" when the caller went away
	// first) or, for gRPC, by the name of the code ("OK", "UNAVAILABLE").
	Codes    map[string]uint64
	P50, P99 time.Duration // to the answer's head; 0 when there was no request

	latency *spread
}

// MarshalJSON writes from, to, version, protocol, requests, attempts, failures,
// codes, p50_ms and p99_ms.
func (e Edge) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name
		Requests uint64            `json:"requests"`
		Attempts uint64            `json:"attempts"`
		Failures uint64            `json:"failures"`
		Codes    map[string]uint64 `json:"codes"`
		P50      float64           `json:"p50_ms"`
		P99      float64           `json:"p99_ms"`
	}{e.Name, e.Requests, e.Attempts, e.Failures, e.Codes, milliseconds(e.P50), milliseconds(e.P99)})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// SuccessRate is the share of requests that did not fail, from 0 to 1; 1 when
// there was none.
func (e Edge) SuccessRate() float64 {
	if e.Requests == 0 {
		return 1
	}
	return 1 - float64(e.Failures)/float64(e.Requests)
}

// AttemptsPerCall is how many attempts a request took, 0 when there was none.
func (e Edge) AttemptsPerCall() float64 {
	if e.Requests == 0 {
		return 0
	}
	return float64(e.Attempts) / float64(e.Requests)
}

// withPercentiles fills in what is read from the latencies.
func (e Edge) withPercentiles() Edge {
	e.P50, e.P99 = e.latency.quantile(0.50), e.latency.quantile(0.99)
	return e
}

// since is e less what before already counted.
func (e Edge) since(before Edge) Edge {
	e.Requests -= before.Requests
	e.Attempts -= before.Attempts
	e.Failures -= before.Failures
	e.Codes = maps.Clone(e.Codes)
	for code, n := range before.Codes {
		if e.Codes[code] -= n; e.Codes[code] == 0 {
			delete(e.Codes, code)
		}
	}
	e.latency = e.latency.since(before.latency)
	return e.withPercentiles()
}

// Snapshot is the edges of a Table at one time, sorted by name.
type Snapshot []Edge

// Since is what was counted between before and s, two snapshots of the same Table.
// Edges on which nothing happened stay, with zeros.
func (s Snapshot) Since(before Snapshot) Snapshot {
	out := make(Snapshot, len(s))
	for i, e := range s {
		j, ok := slices.BinarySearchFunc(before, e.Name, func(b Edge, n Name) int { return compareNames(b.Name, n) })
		if ok {
			e = e.since(before[j])
		}
		out[i] = e
	}
	return out
}
