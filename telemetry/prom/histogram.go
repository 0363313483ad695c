// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of the buckets of every histogram, Envoy's defaults:
// milliseconds of durations, bytes of sizes.
var bounds = [...]float64{
	0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000,
	30000, 60000, 300000, 600000, 1800000, 3600000,
}

// scale is a histogram's buckets in whole units of what it counts.
type scale struct {
	unit  float64             // how many of them are 1 in a bound
	upper [len(bounds)]uint64 // bounds in units, rounded down: counts are whole
	first [65]uint8           // by length in bits: the bucket to look at first
}

var (
	durations = newScale(float64(time.Millisecond))
	sizes     = newScale(1)
)

func newScale(unit float64) *scale {
	s := &scale{unit: unit}
	for i, b := range bounds {
		s.upper[i] = uint64(b * unit)
	}
	for length := range s.first {
		least := uint64(0) // the least value of that length
		if length > 0 {
			least = 1 << (length - 1)
		}
		for int(s.first[length]) < len(bounds) && least > s.upper[s.first[length]] {
			s.first[length]++
		}
	}
	return s
}

// bucket is the index of the first bucket whose bound is not below v.
func (s *scale) bucket(v uint64) int {
	i := int(s.first[bits.Len64(v)])
	for i < len(bounds) && v > s.upper[i] {
		i++
	}
	return i
}

// histogram counts whole units. Its count is the sum of its buckets, so that the
// two cannot differ.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	sum     atomic.Uint64
}

func (h *histogram) observe(s *scale, v uint64) {
	h.buckets[s.bucket(v)].Add(1)
	h.sum.Add(v)
}

// count is how often observe was called.
func (h *histogram) count() uint64 {
	var n uint64
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}
