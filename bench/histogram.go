// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/bits"
	"time"
)

// Latencies are counted in buckets of equal relative width: 32 to each power of two
// of nanoseconds, so that a bucket is at most 1/32 wide.
const (
	subBits = 5
	buckets = (64 - subBits) << subBits
)

// histogram counts latencies. It is written by one worker.
type histogram [buckets]uint32

// bucketOf is the bucket of d.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 1<<subBits {
		return int(n)
	}
	shift := bits.Len64(n) - subBits - 1
	return shift<<subBits + int(n>>shift)
}

// middleOf is the middle of a bucket.
func middleOf(bucket int) time.Duration {
	if bucket < 2<<subBits {
		return time.Duration(bucket)
	}
	shift := bucket>>subBits - 1
	low := uint64(bucket-shift<<subBits) << shift
	return time.Duration(low + 1<<shift/2)
}

func (h *histogram) add(d time.Duration) { h[bucketOf(d)]++ }

func (h *histogram) merge(o *histogram) {
	for i, n := range o {
		h[i] += n
	}
}

// quantile is the latency that a share q of the counted ones do not exceed; 0 when
// none were counted.
func (h *histogram) quantile(q float64) time.Duration {
	var total uint64
	for _, n := range h {
		total += uint64(n)
	}
	rank := uint64(q * float64(total))
	var seen uint64
	for i, n := range h {
		seen += uint64(n)
		if n > 0 && seen > rank {
			return middleOf(i)
		}
	}
	return 0
}
