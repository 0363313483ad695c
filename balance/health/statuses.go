// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strconv"
	"strings"
)

// statuses is a set of HTTP statuses, 100 to 599.
type statuses [10]uint64

func (s *statuses) has(status int) bool {
	return status >= 100 && status <= 599 && s[status/64]>>(status%64)&1 != 0
}

// parseStatuses reads a list such as "200-299,404".
func parseStatuses(list string) (s statuses, err error) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(part, "-")
		low, err := parseStatus(from)
		if err != nil {
			return statuses{}, err
		}
		high := low
		if ranged {
			if high, err = parseStatus(to); err != nil {
				return statuses{}, err
			}
		}
		if high < low {
			return statuses{}, fmt.Errorf("health: expected statuses %q: a range goes up", part)
		}
		for ; low <= high; low++ {
			s[low/64] |= 1 << (low % 64)
		}
	}
	return s, nil
}

func parseStatus(text string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil || n < 100 || n > 599 {
		return 0, fmt.Errorf("health: expected status %q: want a number from 100 to 599", text)
	}
	return int(n), nil
}
