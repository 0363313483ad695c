// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math/bits"

	"github.com/enmesh-go/enmesh"
)

// The defaults of RingHashConfig, and how many points an endpoint has at least on average.
const (
	defaultMinRing = 1024
	defaultMaxRing = 8 << 20
	meanPoints     = 64
)

// RingHashConfig is how [RingHash] lays out its ring. The zero value has the defaults. It
// is comparable.
type RingHashConfig struct {
	// MinSize is how many points the ring has at least. 0 is 1,024, as in Istio
	// (minimumRingSize). More points make the shares of the endpoints more even: with p
	// points each, they differ by 1/√p.
	MinSize uint32
	// MaxSize is how many points the ring has at most, though every endpoint has one.
	// 0 is 8 Mi, as in Envoy; more is taken as that. Points cost at most 16 bytes each.
	MaxSize uint32
	// BalanceFactor bounds loads: an endpoint that has this many percent of the mean of
	// calls in flight is passed over. 125 allows a quarter more than the mean. 0 does not
	// bound; 1 to 99 is refused.
	BalanceFactor uint32
}

// Validate refuses a MinSize above MaxSize, a MaxSize above 8 Mi, and a BalanceFactor of 1 to 99.
func (cfg RingHashConfig) Validate() error {
	switch full := cfg.withDefaults(); {
	case cfg.MaxSize > defaultMaxRing:
		return fmt.Errorf("balance: MaxSize %d of a ring is more than %d", cfg.MaxSize, defaultMaxRing)
	case full.MinSize > full.MaxSize:
		return fmt.Errorf("balance: MinSize %d of a ring is more than MaxSize %d", full.MinSize, full.MaxSize)
	}
	return validateFactor(cfg.BalanceFactor)
}

func (cfg RingHashConfig) withDefaults() RingHashConfig {
	if cfg.MinSize == 0 {
		cfg.MinSize = defaultMinRing
	}
	if cfg.MaxSize == 0 || cfg.MaxSize > defaultMaxRing {
		cfg.MaxSize = defaultMaxRing
	}
	return cfg
}

// RingHash sends calls with the same Key to the same endpoint, as long as it is there
// (Karger et al., "Consistent hashing and random trees", STOC 1997; libketama; Envoy's
// RING_HASH). Each endpoint owns points on a ring, in proportion to its weight; a key
// belongs to the first point that follows it. When an endpoint goes, only its own keys
// move, and they spread over all others. Points come from the hash of an endpoint's first
// address and nothing else, so that all processes agree that know the same endpoints.
//
// A call without a Key goes to a random point. A key whose endpoint cannot be used, or
// was tried by the call, goes to the next other endpoint on the ring, the same for every
// call with the key. Finding the point takes the same time however many there are.
//
// An endpoint has a power of two of points for each unit of weight, or that part of one:
// 64 points on average, or as many as make MinSize. So the points of those that stay do
// not depend on how many endpoints there are, except that their number doubles, or
// halves, where the sum of the weights passes a power of two while MinSize, MaxSize or
// the least weight decides.
//
// A configuration that Validate refuses is taken as the nearest that it does not.
func RingHash(cfg RingHashConfig) Algorithm { return ringHashFrom(cfg, global) }

func ringHashFrom(cfg RingHashConfig, random source) Algorithm {
	cfg = cfg.withDefaults()
	return func(eps []*Endpoint) Picker {
		sorted := byHash(eps)
		p := &ringHash{}
		p.lay(sorted, pointsOf(sorted, cfg))
		p.circle = newCircle(sorted, p.owners, cfg.BalanceFactor, random)
		return p
	}
}

type ringHash struct {
	circle
	points []uint64 // in order; owners[i] owns points[i]
	first  []uint32 // the first point at or behind the start of each sector of the ring
	shift  uint     // what of a point is not the number of its sector
}

func (p *ringHash) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.points) == 0 {
		return nil, ErrNoEndpoint
	}
	return p.from(p.find(p.word(c)), c)
}

// find is the index of the first point at or behind a word. A sector holds one or two
// points.
func (p *ringHash) find(word uint64) int {
	at := int(p.first[word>>p.shift])
	for at < len(p.points) && p.points[at] < word {
		at++
	}
	if at == len(p.points) {
		return 0
	}
	return at
}

// lay draws the points of each endpoint and sorts them: by sector, since they are spread
// evenly, then within each.
func (p *ringHash) lay(sorted []hashed, points []uint32) {
	total := 0
	for _, n := range points {
		total += int(n)
	}
	sectorBits := max(bits.Len(uint(total)), 1) - 1
	p.shift = uint(64 - sectorBits)
	p.first = make([]uint32, 1<<sectorBits+1)
	p.points, p.owners = make([]uint64, total), make([]uint32, total)
	for i, e := range sorted {
		for k := range points[i] {
			p.first[drawn(e.hash, uint64(k))>>p.shift+1]++
		}
	}
	for i := 1; i < len(p.first); i++ {
		p.first[i] += p.first[i-1]
	}
	for i, e := range sorted {
		for k := range points[i] {
			point := drawn(e.hash, uint64(k))
			sector := point >> p.shift
			p.put(int(p.first[sector]), point, uint32(i))
			p.first[sector]++
		}
	}
	copy(p.first[1:], p.first) // where a sector was filled up to is where the next begins
	p.first[0] = 0
	for i := 1; i < total; i++ {
		p.sink(i)
	}
}

func (p *ringHash) put(at int, point uint64, owner uint32) { p.points[at], p.owners[at] = point, owner }

// sink moves point i to its place among those before it. Of equal points the endpoint
// that comes first keeps its place.
func (p *ringHash) sink(i int) {
	point, owner := p.points[i], p.owners[i]
	for i > 0 && (p.points[i-1] > point || p.points[i-1] == point && p.owners[i-1] > owner) {
		p.put(i, p.points[i-1], p.owners[i-1])
		i--
	}
	p.put(i, point, owner)
}

// pointsOf is how many points each endpoint has: its weight times a power of two, at
// least one.
func pointsOf(sorted []hashed, cfg RingHashConfig) []uint32 {
	points := make([]uint32, len(sorted))
	var sum, least uint64
	for _, e := range sorted {
		w := uint64(e.Weight())
		sum += w
		if least == 0 || w < least {
			least = w
		}
	}
	if sum == 0 {
		return points
	}
	power := powerOver(max(uint64(cfg.MinSize), meanPoints*uint64(len(sorted))), sum)
	power = max(power, powerOver(1, least))
	for scaled(sum, power) > uint64(cfg.MaxSize) {
		power--
	}
	for i, e := range sorted {
		points[i] = uint32(max(scaled(uint64(e.Weight()), power), 1))
	}
	return points
}

// powerOver is the least e with x·2^e >= want.
func powerOver(want, x uint64) int {
	e := bits.Len64(want) - bits.Len64(x)
	if scaled(x, e) < want {
		e++
	}
	return e
}

// scaled is x·2^e, rounded down.
func scaled(x uint64, e int) uint64 {
	if e < 0 {
		return x >> -e
	}
	return x << e
}
