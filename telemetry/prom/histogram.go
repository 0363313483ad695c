// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/internal/lane"
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
	inTime  = newScale(float64(time.Millisecond))
	inBytes = newScale(1)
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

// spread is what is counted of calls with the same labels, by processors.
type spread struct{ lane.Set[counters] }

// counters are a histogram of each measure. They are laid out by cache lines: the sums stand
// together, the buckets of durations too, and the two sizes of a call, which are often of a
// kind, side by side. The number of calls is the number of durations.
type counters struct {
	sums      [measures]atomic.Uint64
	durations [len(bounds) + 1]atomic.Uint64
	sizes     [len(bounds) + 1][measures - 1]atomic.Uint64
}

// measure is one that calls have.
type measure int

const (
	duration measure = iota
	request
	response
	measures = iota
)

// scale is the buckets of the measure.
func (m measure) scale() *scale {
	if m == duration {
		return inTime
	}
	return inBytes
}

// bucket is the count in one bucket of the measure.
func (c *counters) bucket(m measure, i int) *atomic.Uint64 {
	if m == duration {
		return &c.durations[i]
	}
	return &c.sizes[i][m-1]
}

func (c *counters) observe(m measure, v uint64) {
	c.bucket(m, m.scale().bucket(v)).Add(1)
	c.sums[m].Add(v)
}

// count is how often the measure was observed: the sum of its buckets, so that the two cannot
// differ.
func (s *spread) count(m measure) (n uint64) {
	for i := range len(bounds) + 1 {
		n += s.in(m, i)
	}
	return n
}

// in is how often the measure was in a bucket.
func (s *spread) in(m measure, i int) (n uint64) {
	s.All(func(c *counters) { n += c.bucket(m, i).Load() })
	return n
}

// sum is that of all that was observed.
func (s *spread) sum(m measure) (n uint64) {
	s.All(func(c *counters) { n += c.sums[m].Load() })
	return n
}
