// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what a load came to.
type Report struct {
	Sent  int // calls begun, with those that could not be sent
	OK    int // answered without an error
	Lost  int // all others
	First time.Time
	Last  time.Time // when the first and the last call were due

	// These need receipts ([Report.With]).
	Attempts   int // how often servers began a call
	Duplicated int // calls that servers began more than once
	Unserved   int // calls answered without an error that no server has seen
	Unended    int // calls whose handler did not come to its end

	P50, P99, Max time.Duration  // of calls that were answered without an error
	Late          time.Duration  // the worst delay of a beginning: the generator's own fault
	Gap           time.Duration  // the longest time in which calls were due and all were lost
	Servers       map[string]int // calls answered without an error, by server
	Errors        map[string]int // calls lost, by the text of the error

	ids []string
	ok  map[string]bool
}

// Report is about all calls that have ended.
func (l *Ledger) Report() Report { return report(l.Records()) }

// Between is about the calls that were due from one time on and before another, and have
// ended.
func (l *Ledger) Between(from, to time.Time) Report {
	var some []Record
	for _, r := range l.Records() {
		if !r.Due.Before(from) && r.Due.Before(to) {
			some = append(some, r)
		}
	}
	return report(some)
}

func report(records []Record) Report {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int { return a.Due.Compare(b.Due) })
	r := Report{Servers: make(map[string]int), Errors: make(map[string]int), ok: make(map[string]bool)}
	if len(records) > 0 {
		r.First, r.Last = records[0].Due, records[len(records)-1].Due
	}
	var took []time.Duration
	var lostSince time.Time
	for _, c := range records {
		r.Sent++
		r.ids = append(r.ids, c.ID)
		r.Late = max(r.Late, c.Late)
		if c.Err != nil {
			r.Lost++
			r.Errors[c.Err.Error()]++
			if lostSince.IsZero() {
				lostSince = c.Due
			}
			r.Gap = max(r.Gap, c.Due.Sub(lostSince))
			continue
		}
		if !lostSince.IsZero() {
			r.Gap = max(r.Gap, c.Due.Sub(lostSince))
			lostSince = time.Time{}
		}
		r.OK++
		r.Servers[c.Server]++
		r.ok[c.ID] = true
		took = append(took, c.Took)
	}
	slices.Sort(took)
	r.P50, r.P99, r.Max = quantile(took, 0.50), quantile(took, 0.99), quantile(took, 1)
	return r
}

// quantile is the smallest value that a share q of the sorted values does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// With adds what the servers know of these calls.
func (r Report) With(receipts *Receipts) Report {
	r.Attempts, r.Duplicated, r.Unserved, r.Unended = 0, 0, 0, 0
	for _, id := range r.ids {
		begun, unended := receipts.count(id)
		r.Attempts += begun
		if begun > 1 {
			r.Duplicated++
		}
		if begun == 0 && r.ok[id] {
			r.Unserved++
		}
		if unended {
			r.Unended++
		}
	}
	return r
}

// String is the report on one line, and one more for each kind of error.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d sent, %d ok, %d lost", r.Sent, r.OK, r.Lost)
	if r.Attempts > 0 {
		fmt.Fprintf(&b, ", %d attempts served, %d duplicated, %d unserved, %d unended",
			r.Attempts, r.Duplicated, r.Unserved, r.Unended)
	}
	fmt.Fprintf(&b, "; p50 %v, p99 %v, max %v; gap %v, late %v; by server %v",
		round(r.P50), round(r.P99), round(r.Max), round(r.Gap), round(r.Late), r.Servers)
	const most = 10
	for i, text := range slices.Sorted(maps.Keys(r.Errors)) {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more kinds of error", len(r.Errors)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %d times %s", r.Errors[text], text)
	}
	return b.String()
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
