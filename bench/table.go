// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/enmesh-go/enmesh/bench/internal/stats"
)

// writeTable writes the results as a table in Markdown, one for each concurrency.
func writeTable(w io.Writer, results []Result) {
	last := 0
	for _, r := range results {
		if r.Concurrency != last {
			last = r.Concurrency
			writeHead(w, r)
		}
		_, _ = fmt.Fprintf(w, "| %s | %.2f | %s | %s | %s | %.1f (%+.1f) | %.0f | %.0f |\n",
			r.Title, r.CPU.Median, interval(r, r.Ratio), interval(r, r.QPSRatio), interval(r, r.P50Ratio),
			r.Allocs.Median, r.AllocsAdded, r.P50.Median, r.P99.Median)
	}
}

func writeHead(w io.Writer, r Result) {
	_, _ = fmt.Fprintf(w, "\nConcurrency %d, %d rounds; other programs kept %.1f processors busy meanwhile\n\n",
		r.Concurrency, len(r.Samples), r.Others.Median)
	_, _ = fmt.Fprintln(w, "| stack | CPU s/100k | CPU ratio | qps ratio | p50 ratio | client allocs (added) | p50 µs | p99 µs |")
	_, _ = fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
}

// interval is a ratio with what it may be; a baseline has none.
func interval(r Result, s stats.Spread) string {
	if r.Stack == r.Baseline {
		return "1"
	}
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", s.Median, s.Low, s.High)
}
