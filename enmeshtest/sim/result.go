// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Result is what became of every call.
type Result struct {
	weights []float64 // of each server that there ever was
	records []record  // in the order in which the calls came
	sorted  []time.Duration
}

// record is one call.
type record struct {
	began, ended time.Duration // since the start
	server       int32         // or nowhere
	outcome      outcome
}

const nowhere = -1

type outcome uint8

const (
	answered outcome = iota
	failed           // by its server
	refused          // by the picker, or by a gate of the endpoint
)

// Calls is how many calls there were.
func (r *Result) Calls() int { return len(r.records) }

// Between is the part of the calls that came from one time to another, since the
// start: what they met with, whenever they ended.
func (r *Result) Between(from, to time.Duration) *Result {
	at := func(t time.Duration) int {
		i, _ := slices.BinarySearchFunc(r.records, t, func(rec record, t time.Duration) int {
			return cmp.Compare(rec.began, t)
		})
		return i
	}
	i, j := at(from), at(to)
	return &Result{weights: r.weights, records: r.records[i:max(i, j)]}
}

// After is the part of the calls that came at a time, since the start, or later.
func (r *Result) After(t time.Duration) *Result { return r.Between(t, math.MaxInt64) }

// Length is the time from the start until the last call came.
func (r *Result) Length() time.Duration {
	if len(r.records) == 0 {
		return 0
	}
	return r.records[len(r.records)-1].began
}

// Share is the part of the calls that went to server i, 0 to 1, of those that went to
// any; 0 if none did.
func (r *Result) Share(i int) float64 { return r.Shares()[i] }

// Shares are the shares of all servers that there ever were.
func (r *Result) Shares() []float64 {
	shares := make([]float64, len(r.weights))
	var sent float64
	for _, rec := range r.records {
		if rec.server != nowhere {
			shares[rec.server]++
			sent++
		}
	}
	for i := range shares {
		shares[i] /= max(sent, 1)
	}
	return shares
}

// MaxOverMean is the largest share over the mean share; where weights differ, shares
// over weights are compared. 1 is perfectly even. Servers that were there for a part
// of the time only count like the others.
func (r *Result) MaxOverMean() float64 {
	var largest, sum float64
	for i, share := range r.Shares() {
		largest = max(largest, share/r.weights[i])
		sum += r.weights[i]
	}
	return largest * sum
}

// Percentile is the latency that p of 100 answered calls did not exceed (the nearest
// rank), the wait in line included; 0 if none was answered.
func (r *Result) Percentile(p float64) time.Duration {
	if r.sorted == nil {
		for _, rec := range r.records {
			if rec.outcome == answered {
				r.sorted = append(r.sorted, rec.ended-rec.began)
			}
		}
		slices.Sort(r.sorted)
	}
	if len(r.sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(r.sorted))))
	return r.sorted[min(max(rank, 1), len(r.sorted))-1]
}

// Errors is the part of the calls, 0 to 1, that failed or were refused.
func (r *Result) Errors() float64 { return r.part(func(o outcome) bool { return o != answered }) }

// Refused is the part of the calls, 0 to 1, that went to no server, since the picker or a
// gate of the endpoint refused.
func (r *Result) Refused() float64 { return r.part(func(o outcome) bool { return o == refused }) }

func (r *Result) part(is func(outcome) bool) float64 {
	n := 0
	for _, rec := range r.records {
		if is(rec.outcome) {
			n++
		}
	}
	return float64(n) / float64(max(len(r.records), 1))
}

// Peak is the most calls that were at server i at once, in line or in work.
func (r *Result) Peak(i int) int {
	var ends []time.Duration
	for _, rec := range r.records {
		if int(rec.server) == i {
			ends = append(ends, rec.ended)
		}
	}
	slices.Sort(ends)
	peak, began, over := 0, 0, 0
	for _, rec := range r.records {
		if int(rec.server) != i {
			continue
		}
		for over < len(ends) && ends[over] <= rec.began {
			over++
		}
		began++
		peak = max(peak, began-over)
	}
	return peak
}
