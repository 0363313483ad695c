// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

// Counter is what a [Resolver] may be besides: one that counts what its registry did.
// A [Cache] has the counts of what it watches, [Merge] and [Failover] those of all their
// sources.
type Counter interface {
	// Counts are in no order; each of a service, an event and a reason comes once.
	Counts() []Count
}

// Count is how often something has happened with a service since its watch began. A
// watch that ends takes its counts along.
type Count struct {
	Service string
	Event   string // what happened; each resolver says which there are
	Reason  string // why; "" where there is only one
	N       uint64
}

// countsOf adds up the counts of several resolvers.
func countsOf(sources ...Resolver) []Count {
	sums := map[Count]uint64{} // by all but N
	for _, r := range sources {
		counter, ok := r.(Counter)
		if !ok {
			continue
		}
		for _, c := range counter.Counts() {
			n := c.N
			c.N = 0
			sums[c] += n
		}
	}
	counts := make([]Count, 0, len(sums))
	for c, n := range sums {
		c.N = n
		counts = append(counts, c)
	}
	return counts
}

// Counts implements [Counter].
func (c *Cache) Counts() []Count { return countsOf(c.upstream) }

// Counts implements [Counter].
func (m merged) Counts() []Count { return countsOf(m...) }

// Counts implements [Counter].
func (r *failover) Counts() []Count { return countsOf(r.first, r.second) }
