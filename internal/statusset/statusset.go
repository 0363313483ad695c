// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package statusset has sets of HTTP statuses.
//
//	var s statusset.Set
//	s.Parse("503") // true
//	s.Has(503)     // true
package statusset

import (
	"iter"
	"strconv"
)

// The statuses that a set can have (RFC 9110, section 15).
const (
	least = 100
	most  = 599
)

// Set is a set of statuses. The zero Set is empty. Sets are compared with ==.
type Set struct {
	bits [(most-least)/64 + 1]uint64 // bit n is status least+n
}

// Add puts a status in, and reports whether it is one: 100 to 599.
func (s *Set) Add(status int) bool {
	if status < least || status > most {
		return false
	}
	n := status - least
	s.bits[n/64] |= 1 << (n % 64)
	return true
}

// Parse puts a status in that is written as three digits, and reports whether it is one.
func (s *Set) Parse(text string) bool {
	if len(text) != 3 {
		return false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && s.Add(int(n))
}

// Has reports whether a status is in the set.
func (s *Set) Has(status int) bool {
	if status < least || status > most {
		return false
	}
	n := status - least
	return s.bits[n/64]&(1<<(n%64)) != 0
}

// All is the set's statuses, in order.
func (s *Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for status := least; status <= most; status++ {
			if s.Has(status) && !yield(status) {
				return
			}
		}
	}
}
