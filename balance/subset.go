// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/enmesh-go/enmesh/discovery"
)

// SubsetConfig says with which of a service's endpoints this process has to do at all, so
// that many clients of many endpoints do not all connect to all of them. The zero value
// is all of them. It is comparable.
//
// Endpoints stand in a ring in the order of the hashes of their addresses, clients at
// even distances on the same ring, and each takes the Size endpoints that follow its
// place (the ring of Twitter's "Deterministic aperture", 2019, with whole endpoints). So
// the numbers of clients that two endpoints have never differ by more than one, whatever
// the numbers are: the largest is the mean, rounded up, and as long as Count × Size is
// not below the number of endpoints, none is without clients. "Reinventing backend
// subsetting at Google" (Ward, Wankadia, Guliani, ACM Queue 20/5, 2022) moves fewer
// connections when endpoints come and go, but needs the backends numbered without gaps,
// which a registry does not do, and is even only where each endpoint has many clients.
//
// When an endpoint comes or goes, a client exchanges at most one more of its Size
// endpoints than the one it concerns, a third of one on average: the price of being even,
// which a rolling restart of all endpoints pays for each of them. When a client comes or
// goes, the others move along the ring by half a client's distance on average.
//
// All clients of a service must have the same Size and Count, an Index of their own, and
// know the same endpoints. While they do not, the numbers are less even and nothing
// else is wrong. Endpoints that are ejected or found unhealthy are not replaced by
// others: that would have all clients of an endpoint in trouble connect elsewhere at
// once. An endpoint that leaves the registry, or is said to be draining there, is
// replaced with the next set; a draining one stays beside its replacement until it has
// left. So Size bounds how many of its endpoints can fail before a client finds none:
// 20 is a good one, below 5 is too few. Zones are not looked at.
type SubsetConfig struct {
	// Size is how many endpoints the process has. 0, and whatever is at least their
	// number, is all. Negative is refused.
	Size int
	// Index is the number of this client among those of the service, from 0 to Count-1; see
	// [SubsetConfig.Among].
	Index int
	// Count is how many clients there are. 0: not known; then the place is that of ID.
	Count int
	// ID, such as a pod's name, stands in for Index where Count is 0. Places of hashes
	// are not at even distances: some endpoints have twice as many clients as others, or
	// none where the mean is small. "" is drawn anew by every process.
	ID string
}

// Validate refuses negative numbers, and an Index that is not below Count.
func (cfg SubsetConfig) Validate() error {
	switch {
	case cfg.Size < 0 || cfg.Index < 0 || cfg.Count < 0:
		return fmt.Errorf("balance: subset of Size %d, Index %d, Count %d: negative", cfg.Size, cfg.Index, cfg.Count)
	case cfg.Index > 0 && cfg.Index >= cfg.Count:
		return fmt.Errorf("balance: subset with Index %d of Count %d", cfg.Index, cfg.Count)
	}
	return nil
}

// Among is cfg with the Index of the client own among all clients of the service, such as
// the addresses that the registry has for them, in whatever order, and their Count. Where
// own is not among them, or not yet, its ID is own and the Count is 0. When a client comes or
// goes, the others keep their order, and so move little.
func (cfg SubsetConfig) Among(own string, clients []string) SubsetConfig {
	sorted := slices.Clone(clients)
	slices.SortFunc(sorted, func(a, b string) int {
		return cmp.Or(cmp.Compare(hashOf(a), hashOf(b)), cmp.Compare(a, b))
	})
	sorted = slices.Compact(sorted)
	at := slices.Index(sorted, own)
	if at < 0 {
		cfg.ID, cfg.Index, cfg.Count = own, 0, 0
		return cfg
	}
	cfg.ID, cfg.Index, cfg.Count = "", at, len(sorted)
	return cfg
}

// start is the first of n endpoints, in the order of the ring.
func (cfg SubsetConfig) start(n int) int {
	switch {
	case cfg.Count > 0:
		hi, lo := bits.Mul64(uint64(max(cfg.Index, 0)%cfg.Count), uint64(n))
		quo, _ := bits.Div64(hi, lo, uint64(cfg.Count))
		return int(quo)
	case cfg.ID != "":
		return portion(hashOf(cfg.ID), n)
	}
	return portion(nobody(), n)
}

// nobody is the place of a process that has no number and no name.
var nobody = sync.OnceValue(rand.Uint64)

// candidate is an entry of the registry's list that a subset can be made of.
type candidate struct {
	hash uint64
	at   int // in the list
}

// choice says which entries of the registry's list the process has to do with; nil: all.
type choice []bool

func (c choice) has(i int) bool { return c == nil || c[i] }

// subset chooses among the entries; mu is held.
func (c *Cluster) subset(eps []discovery.Endpoint) choice {
	size := c.cfg.Subsetting.Size
	if size <= 0 || size >= len(eps) {
		return nil
	}
	chosen := make(choice, len(eps))
	ring := make([]candidate, 0, len(eps))
	for i := range eps {
		ep := &eps[i]
		addrs, ok := c.reaches(ep)
		switch {
		case !ok:
		case ep.Draining:
			chosen[i] = c.index[identify(addrs, ep)] != nil
		default:
			ring = append(ring, candidate{hashOf(addrs[0]), i})
		}
	}
	ring = c.sortRing(ring, eps)
	start := 0
	if size < len(ring) {
		start = c.cfg.Subsetting.start(len(ring))
	}
	for i := range min(size, len(ring)) {
		chosen[ring[(start+i)%len(ring)].at] = true
	}
	return chosen
}

// sortRing orders the candidates by hash and leaves out the second of two that cannot be
// told apart.
func (c *Cluster) sortRing(ring []candidate, eps []discovery.Endpoint) []candidate {
	id := func(k candidate) identity {
		addrs, _ := c.reaches(&eps[k.at])
		return identify(addrs, &eps[k.at])
	}
	slices.SortFunc(ring, func(a, b candidate) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		if d := compareIdentity(id(a), id(b)); d != 0 {
			return d
		}
		return a.at - b.at
	})
	return slices.CompactFunc(ring, func(a, b candidate) bool { return a.hash == b.hash && id(a) == id(b) })
}
