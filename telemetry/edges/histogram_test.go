// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges

import (
	"testing"
	"time"
)

func TestHistogram_bucketsAreNarrowAndInOrder(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 80*time.Minute; d += d/50 + time.Microsecond {
		b := bucketOf(d)
		if b < last || b >= buckets {
			t.Fatalf("bucket of %v is %d after %d, want rising and below %d", d, b, last, buckets)
		}
		last = b
		if d >= 1<<32*time.Microsecond {
			continue
		}
		off := (middleOf(b) - d).Abs()
		if off > max(d/28, time.Microsecond) {
			t.Errorf("%v falls in the bucket around %v, want within 3.5%%", d, middleOf(b))
		}
	}
	if last != buckets-1 {
		t.Errorf("80 minutes fall in bucket %d, want the last, %d", last, buckets-1)
	}
	if got := bucketOf(-time.Second); got != 0 {
		t.Errorf("a negative latency falls in bucket %d, want 0", got)
	}
}
