// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram has a bucket for each microsecond below 16, and above that 16 of the
// same width for each doubling, up to 2^32 microseconds (71 minutes): the log-linear
// scheme of HdrHistogram (http://hdrhistogram.org) with 4 bits of precision.
const (
	precision = 4
	linear    = 1 << precision
	doublings = 32 - precision
	buckets   = linear * (1 + doublings)
)

// bucketOf is the index of the bucket that holds d.
func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < linear {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - precision
	return min(shift*linear+int(us>>shift), buckets-1)
}

// middleOf is the middle of a bucket.
func middleOf(i int) time.Duration {
	if i < 2*linear {
		return time.Duration(i)*time.Microsecond + time.Microsecond/2
	}
	shift := i/linear - 1
	width := time.Microsecond << shift
	return time.Duration(i-shift*linear)*width + width/2
}

// histogram is written by many and read by few.
type histogram struct{ counts [buckets]atomic.Uint64 }

func (h *histogram) observe(d time.Duration) { h.counts[bucketOf(d)].Add(1) }

// spread is a histogram that nobody writes any more.
type spread [buckets]uint64

// read adds what h has to s.
func (h *histogram) read(s *spread) {
	for i := range h.counts {
		s[i] += h.counts[i].Load()
	}
}

// since is s less what before already had; before may be nil.
func (s *spread) since(before *spread) *spread {
	if before == nil {
		return s
	}
	d := new(spread)
	for i := range s {
		d[i] = s[i] - before[i]
	}
	return d
}

// quantile is the middle of the bucket in which the q-th part of the values ends;
// 0 when there is none.
func (s *spread) quantile(q float64) time.Duration {
	var total uint64
	for _, n := range s {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank := uint64(q * float64(total-1))
	for i, n := range s {
		if rank < n {
			return middleOf(i)
		}
		rank -= n
	}
	return middleOf(buckets - 1)
}
