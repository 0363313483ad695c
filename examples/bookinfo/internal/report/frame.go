// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/load"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

// Frame is what the table shows at one time.
type Frame struct {
	URL    string
	Uptime time.Duration
	Window time.Duration  // that Edges were counted in; 0: none yet
	Edges  edges.Snapshot // what was counted in the window
	Load   load.Stats
	Events []Event // latest last
}

// String is the frame as lines of text.
func (f Frame) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bookinfo at %s, up %s; load: %d sent, %d failed", f.URL, f.Uptime.Truncate(time.Second), f.Load.Sent, f.Load.Failed)
	if f.Load.Skipped > 0 {
		fmt.Fprintf(&b, ", %d skipped", f.Load.Skipped)
	}
	b.WriteString("\n\n")
	f.table(&b)
	if len(f.Events) > 0 {
		b.WriteString("\n")
	}
	for _, e := range f.Events {
		b.WriteString(fmt.Sprintln(e))
	}
	return b.String()
}

// table writes one line an edge.
func (f Frame) table(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "from\tto\tversion\tprotocol\trps\tsuccess\tp50 ms\tp99 ms\tattempts\t")
	for _, e := range f.Edges {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", e.From, e.To, e.Version, e.Protocol, f.numbers(e))
	}
	_ = w.Flush() // a strings.Builder takes everything
}

// numbers are the columns from rps on; an edge that nobody used has dashes.
func (f Frame) numbers(e edges.Edge) string {
	if e.Requests == 0 || f.Window <= 0 {
		return "0.0\t-\t-\t-\t-"
	}
	rps := float64(e.Requests) / f.Window.Seconds()
	return fmt.Sprintf("%.1f\t%.1f%%\t%.1f\t%.1f\t%.2f",
		rps, 100*e.SuccessRate(), milliseconds(e.P50), milliseconds(e.P99), e.AttemptsPerCall())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
