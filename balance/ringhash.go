// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/enmesh-go/enmesh"
)

// The defaults of RingHashConfig; and how many points an endpoint has on average at
// least, as long as these are no more than so many together.
const (
	defaultMinRing = 1024
	defaultMaxRing = 8 << 20
	meanPoints     = 64
	fairRing       = 1 << 17
)

// RingHashConfig is how [RingHash] lays out its ring. The zero value has the defaults. It
// is comparable.
type RingHashConfig struct {
	// MinSize is how many points the ring has at least. 0 is 1,024, as in Istio
	// (minimumRingSize). More points make the shares of the endpoints more even: with p
	// points each, they differ by 1/√p.
	MinSize uint32
	// MaxSize is how many points the ring has at most, though every endpoint has one.
	// 0 is 8 Mi, as in Envoy; more is taken as that. A point costs up to 12 bytes.
	MaxSize uint32
	// BalanceFactor bounds loads: an endpoint that has this many percent of the mean of
	// calls in flight, rounded up, is passed over. 125 allows a quarter more than the mean;
	// with fewer calls in flight than endpoints, one each. 0 does not bound; 1 to 99 is
	// refused.
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
// address and nothing else, so that all processes agree that know the same endpoints. In
// a gRPC client too the ring has all of them, connected or not: see [Endpoint.Await].
//
// A call without a Key goes to a random point. A key whose endpoint cannot be used, or
// was tried by the call, goes to the next other endpoint on the ring, the same for every
// call with the key. Finding the point takes the same time however many there are.
//
// The points of an endpoint are its weight times a power of two, the same for all: so
// that they are at least 64 on average, though no more than 131,072 in all, and at least
// MinSize in all. Mostly, then, the points of those that stay do not depend on how many
// endpoints there are. Where the power changes (for equal weights: as their number passes a
// power of two below MinSize/64, or above 2,048) half of the points come or go.
//
// A configuration that Validate refuses is taken as the nearest that it does not.
func RingHash(cfg RingHashConfig) Algorithm { return ringHashFrom(cfg, nil) }

func ringHashFrom(cfg RingHashConfig, random source) Algorithm {
	cfg = cfg.withDefaults()
	return func(eps []*Endpoint) Picker {
		sorted := byHash(eps)
		places, first := layRing(sorted, pointsOf(sorted, cfg))
		return &ringHash{newCircle(sorted, places, cfg.BalanceFactor, sourceOf(eps, random)), first, shiftFor(first)}
	}
}

// ringHash has the points in the upper halves of its places, in order.
type ringHash struct {
	circle[uint64]
	first []uint32 // the first place at or behind the start of each sector of the ring
	shift uint     // what of a point is not the number of its sector
}

func (p *ringHash) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.places) == 0 {
		return nil, ErrNoEndpoint
	}
	return p.from(p.find(p.word(c)), c)
}

// find is the index of the first point at or behind a word. A sector holds one or two
// points.
func (p *ringHash) find(word uint64) int {
	at := int(p.first[word>>p.shift])
	for at < len(p.places) && p.places[at]>>32 < word>>32 {
		at++
	}
	if at == len(p.places) {
		return 0
	}
	return at
}

// shiftFor is the shift for as many sectors, a power of two, as first has the starts of.
func shiftFor(first []uint32) uint { return uint(65 - bits.Len(uint(len(first)-1))) }

// layRing draws the points of each endpoint and sorts them: by sector, since they are
// spread evenly, then within each. Of equal points that of the first endpoint is first.
func layRing(sorted []hashed, points []uint32) (places []uint64, first []uint32) {
	total := 0
	for _, n := range points {
		total += int(n)
	}
	first = make([]uint32, 1<<max(bits.Len(uint(total))-1, 0)+1)
	places = make([]uint64, total)
	shift := shiftFor(first)
	for i, e := range sorted {
		for k := range points[i] {
			first[drawn(e.hash, uint64(k))>>shift+1]++
		}
	}
	for i := 1; i < len(first); i++ {
		first[i] += first[i-1]
	}
	for i, e := range sorted {
		for k := range points[i] {
			point := drawn(e.hash, uint64(k))
			places[first[point>>shift]] = point&^math.MaxUint32 | uint64(i)
			first[point>>shift]++
		}
	}
	copy(first[1:], first) // where a sector was filled up to is where the next begins
	first[0] = 0
	for i, place := range places { // near its place already
		for ; i > 0 && places[i-1] > place; i-- {
			places[i] = places[i-1]
		}
		places[i] = place
	}
	return places, first
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
	fair := min(meanPoints*uint64(len(sorted)), fairRing)
	power := powerOver(max(uint64(cfg.MinSize), fair), sum)
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
