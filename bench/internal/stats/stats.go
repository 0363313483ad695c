// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package stats describes how figures are distributed over the rounds of a run.
package stats

import (
	"math"
	"slices"
)

// Spread describes how a figure is distributed over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // the interval holds the true median with 95% confidence
	High   float64 `json:"high"` // at least; of few rounds it is the whole range
	Q1     float64 `json:"q1"`   // a quarter of the rounds lie below
	Q3     float64 `json:"q3"`   // a quarter of the rounds lie above
}

// Of describes values, of which there is at least one.
func Of(values []float64) Spread {
	v := slices.Sorted(slices.Values(values))
	k := medianRank(len(v))
	return Spread{Median: quantile(v, 0.5), Low: v[k], High: v[len(v)-1-k], Q1: quantile(v, 0.25), Q3: quantile(v, 0.75)}
}

// quantile interpolates in sorted values.
func quantile(v []float64, q float64) float64 {
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (v[i+1]-v[i])*(at-float64(i))
}

// medianRank is the largest k for which the k-th smallest and the k-th largest of n
// values (from 0) hold the median between them with 95% confidence: how many of n
// values lie below the median is binomial with p = 1/2.
func medianRank(n int) int {
	const tail = 0.025
	logHalf := float64(n) * math.Log(0.5)
	sum, logChoose := 0.0, 0.0
	for k := 0; k <= n/2; k++ {
		sum += math.Exp(logChoose + logHalf)
		if sum > tail {
			return max(k-1, 0)
		}
		logChoose += math.Log(float64(n-k)) - math.Log(float64(k+1))
	}
	return 0
}
