// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

// sample is a window of 1000 calls that cost us microseconds each, half of it at
// each side.
func sample(us int, allocs float64) Sample {
	half := time.Duration(us) * time.Millisecond / 2
	return Sample{Calls: 1000, Elapsed: time.Second, ClientCPU: half, ServerCPU: half, Allocs: allocs, P50: time.Millisecond, P99: 2 * time.Millisecond}
}

func TestResults_pairsWithinARound(t *testing.T) {
	bare, ours := &Stack{Name: "bare", Title: "Bare"}, &Stack{Name: "ours", Title: "Ours", Baseline: "bare"}
	// The machine is slower from round to round, and the ratio stays.
	all := series{
		{"bare", 16}: {sample(10, 80), sample(20, 80), sample(40, 80)},
		{"ours", 16}: {sample(12, 87), sample(24, 88), sample(48, 89)},
	}
	found := results([]*Stack{bare, ours}, []int{16}, all)
	if len(found) != 2 {
		t.Fatalf("%d results, want 2", len(found))
	}
	r := found[1]
	if r.CPU.Median != 2.4 {
		t.Errorf("CPU %v s per 100,000 calls, want 2.4", r.CPU.Median)
	}
	if r.Ratio.Low < 1.199 || r.Ratio.High > 1.201 || r.ClientRatio.Median != r.ServerRatio.Median {
		t.Errorf("ratio %+v, want 1.2 in every round", r.Ratio)
	}
	if r.AllocsAdded != 8 {
		t.Errorf("%v allocations added, want 8", r.AllocsAdded)
	}
	var out strings.Builder
	writeTable(&out, found)
	want := `
Concurrency 16, 3 rounds; other programs kept 0.0 processors busy meanwhile

| stack | CPU s/100k | CPU ratio | qps ratio | p50 ratio | client allocs (added) | p50 µs | p99 µs |
|---|---|---|---|---|---|---|---|
| Bare | 2.00 | 1 | 1 | 1 | 80.0 (+0.0) | 1000 | 2000 |
| Ours | 2.40 | **1.20** (1.20 to 1.20) | **1.00** (1.00 to 1.00) | **1.00** (1.00 to 1.00) | 88.0 (+8.0) | 1000 | 2000 |
`
	if out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
}
