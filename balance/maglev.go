// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math"

	"github.com/enmesh-go/enmesh"
)

// The table sizes of Maglev: Istio's and Envoy's.
const (
	defaultMaglevTable = 65_537
	maxMaglevTable     = 5_000_011
)

// MaglevConfig is the table of [Maglev]. The zero value has the defaults. It is comparable.
type MaglevConfig struct {
	// TableSize is how many entries the table has: a prime, at most 5,000,011. 0 is
	// 65,537, as in Istio. It should be a hundred times the number of endpoints, so that
	// their shares differ by a hundredth. An entry costs 4 bytes.
	TableSize uint32
	// BalanceFactor bounds loads: an endpoint that has this many percent of the mean of
	// calls in flight, rounded up, is passed over. 125 allows a quarter more than the mean;
	// with fewer calls in flight than endpoints, one each. 0 does not bound; 1 to 99 is
	// refused.
	BalanceFactor uint32
}

// Validate refuses a TableSize that is no prime or too large, and a BalanceFactor of 1
// to 99.
func (cfg MaglevConfig) Validate() error {
	switch size := cfg.size(); {
	case size > maxMaglevTable:
		return fmt.Errorf("balance: TableSize %d of Maglev is more than %d", size, maxMaglevTable)
	case !isPrime(size):
		return fmt.Errorf("balance: TableSize %d of Maglev is not a prime", size)
	}
	return validateFactor(cfg.BalanceFactor)
}

func (cfg MaglevConfig) size() uint32 {
	if cfg.TableSize == 0 {
		return defaultMaglevTable
	}
	return cfg.TableSize
}

func isPrime(n uint32) bool {
	for d := uint32(2); d <= n/d; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// Maglev sends calls with the same Key to the same endpoint, as [RingHash] does, from a
// table that the endpoints fill in turn, each along a permutation of its own (Eisenbud et
// al., "Maglev: a fast and reliable software network load balancer", NSDI 2016, section
// 3.4). The shares are far more even than those of a ring, a pick is one look into the
// table, and a few more keys move when an endpoint goes: with 100 endpoints, 0.6% of those
// that belong to others. Weights let an endpoint take its turn as often as its weight is of the
// largest one, at least once; beyond TableSize endpoints, some get no keys.
//
// The permutations come from the hash of an endpoint's first address, and the endpoints
// take their turns in the order of these, so that all processes agree that know the same
// endpoints. Calls without a Key, and keys whose endpoint cannot be used, are as in
// RingHash.
//
// A TableSize that Validate refuses is taken as the default.
func Maglev(cfg MaglevConfig) Algorithm { return maglevFrom(cfg, nil) }

func maglevFrom(cfg MaglevConfig, random source) Algorithm {
	size := cfg.size()
	if size > maxMaglevTable || !isPrime(size) {
		size = defaultMaglevTable
	}
	return func(eps []*Endpoint) Picker {
		sorted := byHash(eps)
		return &maglev{newCircle(sorted, populate(sorted, size), cfg.BalanceFactor, sourceOf(eps, random))}
	}
}

type maglev struct{ circle[uint32] }

func (p *maglev) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.places) == 0 {
		return nil, ErrNoEndpoint
	}
	return p.from(portion(p.word(c), len(p.places)), c)
}

// lane is one endpoint's way through the table.
type lane struct {
	next, skip     uint32 // the entry it wants next, and the distance to the one after
	credit, weight uint32 // it takes an entry when its credit comes to the largest weight
}

// populate fills the table: in each round the endpoints, in turn, take the first entry
// of their permutation that is still free.
func populate(sorted []hashed, size uint32) []uint32 {
	if len(sorted) == 0 {
		return nil
	}
	const free = math.MaxUint32
	table := make([]uint32, size)
	for i := range table {
		table[i] = free
	}
	lanes, largest := lanesOf(sorted, size)
	for left := size; ; {
		for i := range lanes {
			if !lanes[i].turn(largest) {
				continue
			}
			at := lanes[i].step(size)
			for table[at] != free {
				at = lanes[i].step(size)
			}
			table[at] = uint32(i)
			left--
			if left == 0 {
				return table
			}
		}
	}
}

// lanesOf also gives the largest weight.
func lanesOf(sorted []hashed, size uint32) (lanes []lane, largest uint32) {
	for _, e := range sorted {
		largest = max(largest, e.Weight())
	}
	lanes = make([]lane, len(sorted))
	for i, e := range sorted {
		w := e.Weight()
		lanes[i] = lane{
			next:   uint32(portion(drawn(e.hash, 0), int(size))),
			skip:   uint32(portion(drawn(e.hash, 1), int(size-1))) + 1,
			credit: largest - w, // so that all have a turn in the first round
			weight: w,
		}
	}
	return lanes, largest
}

// turn reports whether the endpoint takes an entry in this round.
func (l *lane) turn(largest uint32) bool {
	due := largest - l.weight
	if l.credit < due {
		l.credit += l.weight
		return false
	}
	l.credit -= due
	return true
}

// step is the entry it wants next.
func (l *lane) step(size uint32) uint32 {
	at := l.next
	next := uint64(at) + uint64(l.skip)
	if next >= uint64(size) {
		next -= uint64(size)
	}
	l.next = uint32(next)
	return at
}
