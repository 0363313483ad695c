// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// String is the explanation as [Explanation.WriteText] writes it.
func (e Explanation) String() string {
	var b strings.Builder
	_ = e.WriteText(&b) // a Builder takes all
	return b.String()
}

// WriteText writes the explanation for people: the rules in their order, what the one that
// takes the call does, and a table of the endpoints of each destination.
func (e Explanation) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", e.Call)
	if e.VirtualService == "" {
		p.line("no VirtualService names %s", e.Service)
	} else {
		p.line("%s (%s), host %s", e.VirtualService, e.Origin, e.Pattern)
	}
	for i := range e.Skipped {
		p.skipped(&e.Skipped[i])
	}
	if r := e.Rule; r != nil {
		p.line("  takes the call: %s (%s)%s", e.Route, r.Origin, by(r.Delegate))
		if r.Match != "" {
			p.line("      by the match at %s", r.Match)
		}
	}
	p.line("%s", e.Result)
	for _, a := range e.Actions {
		p.line("  %s", a)
	}
	for i := range e.Destinations {
		p.destination(&e.Destinations[i], len(e.Destinations) > 1)
	}
	for _, n := range e.Notes {
		p.line("note: %s", n)
	}
	return p.err
}

// String is "refused: 404 NR: no route matches the call".
func (r Result) String() string {
	parts := []string{r.Kind}
	code := r.Flag
	if r.Status != 0 {
		code = strings.TrimSpace(strconv.Itoa(r.Status) + " " + r.Flag)
	}
	for _, s := range []string{code, r.Text} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// printer writes lines, up to the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) skipped(s *SkippedRule) {
	p.line("  not %s (%s)%s", orDash(s.Name), s.Origin, by(s.Delegate))
	for _, r := range s.Reasons {
		at := r.Origin
		if r.Match != "" {
			at += " (" + r.Match + ")"
		}
		p.line("      %s: %s", at, r.Why)
	}
}

func (p *printer) destination(d *ExplainedDestination, split bool) {
	head := "destination " + d.Destination
	if split {
		head += fmt.Sprintf(", weight %d, %s of the calls", d.Weight, share(d.Share))
	}
	p.line("%s", head)
	if d.Result.Kind != ResultRoute {
		p.line("  %s", d.Result)
	}
	for _, s := range d.Sources {
		p.line("  DestinationRule: %s", s)
	}
	for _, s := range d.Policies {
		p.line("  policy: %s", s)
	}
	if d.Algorithm != "" {
		p.line("  algorithm: %s", d.Algorithm)
	}
	if d.Key != "" {
		p.line("  affinity: %s", d.Key)
	}
	for i, t := range d.Tiers {
		text := fmt.Sprintf("  tier %d: %s of the load, %d of %d healthy", i, share(t.Load), t.Healthy, t.Total)
		if t.Panic {
			text += ", panic: health is left aside"
		}
		p.line("%s", text)
	}
	p.candidates(d)
}

// candidates is a table of the endpoints.
func (p *printer) candidates(d *ExplainedDestination) {
	if len(d.Candidates) > 0 && p.err == nil {
		var table strings.Builder // which takes all
		t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "  \tENDPOINT\tLOCALITY\tTIER\tWEIGHT\tSHARE\tHEALTH\tSCORE\tWHY")
		for i := range d.Candidates {
			_, _ = fmt.Fprintln(t, row(&d.Candidates[i]))
		}
		_ = t.Flush()
		for l := range strings.Lines(table.String()) {
			p.line("%s", strings.TrimRight(l, " \n"))
		}
	}
	if d.Omitted > 0 {
		p.line("  and %d more", d.Omitted)
	}
}

// row is a line of the table. What is the reason stands there and not twice.
func row(c *Candidate) string {
	mark, tier, weight, part := "-", "-", strconv.Itoa(int(c.Weight)), "?"
	if c.Eligible {
		mark = "+"
	}
	if c.Tier >= 0 {
		tier = strconv.Itoa(c.Tier)
	}
	if c.Effective != 0 && c.Effective != float64(c.Weight) {
		weight += fmt.Sprintf(" (%.3g)", c.Effective)
	}
	if c.Share >= 0 {
		part = share(c.Share)
	}
	health := c.Health
	if health == c.Why {
		health, _, _ = strings.Cut(health, ":")
		health, _, _ = strings.Cut(health, " for ")
	}
	score := c.Score
	if c.Latency > 0 && !strings.Contains(score, "latency") {
		score = strings.TrimPrefix(score+", latency "+c.Latency.Round(10*time.Microsecond).String(), ", ")
	}
	return strings.Join([]string{"  " + mark, c.Addr, orDash(c.Locality), tier, weight, part, health, orDash(score), c.Why}, "\t")
}

func by(delegate string) string {
	if delegate == "" {
		return ""
	}
	return ", delegated to at " + delegate
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
