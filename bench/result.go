// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/enmesh-go/enmesh/bench/internal/stats"

// Result is what a run found out about one stack at one concurrency.
type Result struct {
	Stack       string       `json:"stack"`
	Title       string       `json:"title"`
	Baseline    string       `json:"baseline"`
	Concurrency int          `json:"concurrency"`
	CPU         stats.Spread `json:"cpu_s_per_100k"` // of both processes
	Ratio       stats.Spread `json:"cpu_ratio"`      // over the baseline in the same round
	ClientRatio stats.Spread `json:"client_cpu_ratio"`
	ServerRatio stats.Spread `json:"server_cpu_ratio"`
	QPSRatio    stats.Spread `json:"qps_ratio"`
	P50Ratio    stats.Spread `json:"p50_ratio"`
	QPS         stats.Spread `json:"qps"`
	P50         stats.Spread `json:"p50_us"`
	P99         stats.Spread `json:"p99_us"`
	Allocs      stats.Spread `json:"client_allocs"` // a call
	AllocsAdded float64      `json:"client_allocs_added"`
	Bytes       stats.Spread `json:"client_alloc_bytes"` // a call
	BytesAdded  float64      `json:"client_alloc_bytes_added"`
	Others      stats.Spread `json:"others"` // processors that other processes kept busy meanwhile
	Samples     []Sample     `json:"samples"`
}

// results works out every stack's figures, in the order of stacks, by concurrency.
func results(stacks []*Stack, concurrency []int, all series) []Result {
	var out []Result
	for _, c := range concurrency {
		for _, s := range stacks {
			out = append(out, resultOf(s, c, all))
		}
	}
	return out
}

func resultOf(s *Stack, c int, all series) Result {
	own, base := all[seriesKey{s.Name, c}], all[seriesKey{s.baseline(), c}]
	of := func(figure func(Sample) float64) stats.Spread {
		values := make([]float64, 0, len(own))
		for _, sample := range own {
			values = append(values, figure(sample))
		}
		return stats.Of(values)
	}
	ratio := func(figure func(Sample) float64) stats.Spread {
		values := make([]float64, 0, len(own))
		for round, sample := range own {
			values = append(values, figure(sample)/figure(base[round]))
		}
		return stats.Of(values)
	}
	added := func(figure func(Sample) float64) float64 {
		values := make([]float64, 0, len(own))
		for round, sample := range own {
			values = append(values, figure(sample)-figure(base[round]))
		}
		return stats.Of(values).Median
	}
	perCall := func(d float64, s Sample) float64 { return d / float64(s.Calls) }
	p50 := func(s Sample) float64 { return s.P50.Seconds() * 1e6 }
	allocs := func(s Sample) float64 { return s.Allocs }
	bytes := func(s Sample) float64 { return s.Bytes }
	return Result{
		Stack: s.Name, Title: s.Title, Baseline: s.baseline(), Concurrency: c,
		CPU: of(Sample.CPU), Ratio: ratio(Sample.CPU),
		ClientRatio: ratio(func(s Sample) float64 { return perCall(s.ClientCPU.Seconds(), s) }),
		ServerRatio: ratio(func(s Sample) float64 { return perCall(s.ServerCPU.Seconds(), s) }),
		QPS:         of(Sample.QPS), QPSRatio: ratio(Sample.QPS),
		P50: of(p50), P50Ratio: ratio(p50), P99: of(func(s Sample) float64 { return s.P99.Seconds() * 1e6 }),
		Allocs: of(allocs), AllocsAdded: added(allocs), Bytes: of(bytes), BytesAdded: added(bytes),
		Others: of(func(s Sample) float64 { return s.Others }), Samples: own,
	}
}
