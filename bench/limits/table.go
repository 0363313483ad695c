// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
)

// write makes a table in Markdown.
func write(w io.Writer, found []Result) {
	_, _ = fmt.Fprintln(w, "| | 1 goroutine, ns | ratio | 2 goroutines, ns | ratio | mark | allocations |\n|---|---|---|---|---|---|---|")
	last := ""
	for i := range found {
		r := &found[i]
		if r.Group != last {
			_, _ = fmt.Fprintf(w, "| *%s* | | | | | | |\n", r.Group)
		}
		last = r.Group
		_, _ = fmt.Fprintf(w, "| %s | %.1f | %s | %.1f | %s | %s | %.0f |\n",
			r.label(), r.One.NS.Median, ratio(r.One), r.Two.NS.Median, ratio(r.Two), r.mark(), r.Allocs)
	}
}

// writeShort makes a table in Markdown of enmesh's rows alone, as ratios.
func writeShort(w io.Writer, found []Result) {
	_, _ = fmt.Fprintln(w, "| | beside | 1 goroutine | 2 goroutines | allocations |\n|---|---|---|---|---|")
	for i := range found {
		if r := &found[i]; r.One.Ratio != nil && strings.HasPrefix(r.Title, "enmesh") {
			_, _ = fmt.Fprintf(w, "| %s: %s | %s | %s | %s | %.0f |\n", r.Group, strings.TrimPrefix(r.Title, "enmesh "), r.Versus, ratio(r.One), ratio(r.Two), r.Allocs)
		}
	}
}

func (r *Result) label() string {
	if r.PerKey == 0 {
		return r.Title
	}
	return fmt.Sprintf("%s, %.0f bytes a key", r.Title, r.PerKey)
}

func ratio(f Figure) string {
	if f.Ratio == nil {
		return ""
	}
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", f.Ratio.Median, f.Ratio.Low, f.Ratio.High)
}

// mark is what was promised.
func (r *Result) mark() string {
	switch {
	case r.MaxNS != 0:
		return fmt.Sprintf("%.0f ns", r.MaxNS)
	case r.Limit[0] == 0:
		return ""
	case r.Limit[0] == r.Limit[1]:
		return fmt.Sprintf("%g", r.Limit[0])
	}
	return fmt.Sprintf("%g, %g", r.Limit[0], r.Limit[1])
}
