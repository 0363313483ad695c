// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"math/rand/v2"

	"github.com/enmesh-go/enmesh/balance/internal/alias"
)

// Split draws destinations by weight, in constant time whatever their number
// (Walker's alias method).
type Split struct{ table alias.Table }

// NewSplit makes a Split over weights, which are relative: they need not sum to
// anything. A weight of 0 is never drawn, unless all are 0: then they count as equal.
func NewSplit(weights []uint32) *Split {
	table := alias.New(weights)
	if table.Len() == 0 && len(weights) > 0 {
		even := make([]uint32, len(weights))
		for i := range even {
			even[i] = 1
		}
		table = alias.New(even)
	}
	return &Split{table}
}

// Pick draws an index into the weights; -1 if there are none. Any number of goroutines
// may call it.
func (s *Split) Pick() int { return s.at(rand.Uint64()) }

func (s *Split) at(random uint64) int {
	if s.table.Len() == 0 {
		return -1
	}
	return s.table.At(random)
}
