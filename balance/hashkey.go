// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// hashOf is the hash of an address, with xxHash's seed of 0: the same in every process
// and after every restart.
func hashOf(address string) uint64 { return xxhash.Sum64String(address) }

// scatter spreads keys evenly over all words, so that a key that is a plain number does as
// well as a hash (the finalizer of SplitMix64: Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014, section 4).
func scatter(key uint64) uint64 {
	key = (key ^ key>>30) * 0xbf58476d1ce4e5b9
	key = (key ^ key>>27) * 0x94d049bb133111eb
	return key ^ key>>31
}

// drawn is word number i of the sequence that SplitMix64 draws from a seed.
func drawn(seed, i uint64) uint64 { return scatter(seed + (i+1)*0x9e3779b97f4a7c15) }

// portion maps a word to [0,n) in proportion to its size.
func portion(word uint64, n int) int {
	hi, _ := bits.Mul64(word, uint64(n))
	return int(hi)
}

// hashed is an endpoint and the hash of its address.
type hashed struct {
	*Endpoint
	hash uint64
}

// byHash are the endpoints that take new calls, ordered by the hashes of their addresses:
// the same order in every process, whatever the registry's is.
func byHash(eps []*Endpoint) []hashed {
	eps = open(eps)
	sorted := make([]hashed, len(eps))
	for i, e := range eps {
		sorted[i] = hashed{e, hashOf(e.Addr())}
	}
	slices.SortFunc(sorted, func(a, b hashed) int {
		if a.hash != b.hash {
			return cmp.Compare(a.hash, b.hash)
		}
		return compareIdentity(a.host.id, b.host.id)
	})
	return sorted
}

// compareIdentity orders endpoints whose hashes are equal: those of one address under
// several service accounts.
func compareIdentity(a, b identity) int {
	return cmp.Or(cmp.Compare(a.addrs, b.addrs), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.account, b.account))
}
