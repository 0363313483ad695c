// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// word is the least that a limit can cost: when the next call conforms, compared and
// swapped (the generic cell rate algorithm of ATM).
type word struct {
	next         atomic.Int64
	step, window int64
}

func (w *word) allow(t int64) bool { return admit(&w.next, t, w.step, w.window) }

func admit(word *atomic.Int64, t, step, window int64) bool {
	for {
		old := word.Load()
		next := max(old, t) + step
		if next-t > window {
			return false
		}
		if word.CompareAndSwap(old, next) {
			return true
		}
	}
}

func bareWord(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		w := &word{step: 1, window: int64(time.Second)}
		if refuse {
			w.step = int64(time.Hour)
		}
		return ask(func() bool { return w.allow(int64(enmesh.Now())) }), nil
	}
}

// callers is how many keys there are.
type callers uint64

// million is how many the table tells of.
const million callers = 1 << 20

// keyed asks for one of the keys at random.
func (n callers) keyed(allow func(key uint64) bool) func() loop {
	return func() loop {
		random := rand.New(rand.NewPCG(rand.Uint64(), 2))
		return repeat(func() bool { return allow(random.Uint64N(uint64(n))) })
	}
}

// openTable knows the hash of a key, and keeps a word for each that it never gives up.
func (n callers) openTable(refuse bool) func() (*subject, error) {
	step := int64(1000)
	if refuse {
		step = 2 * int64(time.Second) // above the window
	}
	return func() (*subject, error) { return n.openTableOf(step) }
}

func (n callers) openTableOf(step int64) (*subject, error) {
	before, places := heap(), 2*uint64(n)
	hashes, words := make([]atomic.Uint64, places), make([]atomic.Int64, places)
	allow := func(key uint64) bool {
		hash := (key + 1) * 0x9e3779b97f4a7c15
		for i := hash >> 32 % places; ; i = (i + 1) % places {
			h := hashes[i].Load()
			if h == 0 && hashes[i].CompareAndSwap(0, hash) {
				h = hash
			}
			if h == hash {
				return admit(&words[i], int64(enmesh.Now()), step, int64(time.Second))
			}
		}
	}
	return n.filled(allow, before), nil
}

// filled has seen every key.
func (n callers) filled(allow func(key uint64) bool, before uint64) *subject {
	for key := range uint64(n) {
		allow(key)
	}
	return &subject{worker: n.keyed(allow), perKey: float64(heap()-before) / float64(n)}
}

// heap is how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (n callers) ourKeyed(refuse bool) func() (*subject, error) {
	each := limit.Config{Rate: 1e6, Burst: 1e6}
	if refuse {
		each = limit.Config{Rate: 0.001, Burst: 1}
	}
	return func() (*subject, error) { return n.ourKeyedOf(each) }
}

func (n callers) ourKeyedOf(each limit.Config) (*subject, error) {
	before := heap()
	k, err := limit.NewKeyed(limit.KeyedConfig{By: limit.ByPath(), Each: each, MaxKeys: int(n)})
	if err != nil {
		return nil, err
	}
	return n.filled(func(key uint64) bool { // its text is made as it is asked for: no text is fetched from memory
		var text [8]byte
		binary.LittleEndian.PutUint64(text[:], key)
		return k.AllowAt(enmesh.Now(), string(text[:]), 1)
	}, before), nil
}

// mapOfRates is what programs write themselves.
func (n callers) mapOfRates(refuse bool) func() (*subject, error) {
	if refuse {
		return func() (*subject, error) { return n.mapOf(0.001, 1) }
	}
	return func() (*subject, error) { return n.mapOf(1e6, 1e6) }
}

func (n callers) mapOf(each rate.Limit, burst int) (*subject, error) {
	before := heap()
	var mu sync.Mutex // guards limits
	limits := map[string]*rate.Limiter{}
	return n.filled(func(key uint64) bool {
		var text [8]byte
		binary.LittleEndian.PutUint64(text[:], key)
		mu.Lock()
		l := limits[string(text[:])]
		if l == nil {
			l = rate.NewLimiter(each, burst)
			limits[string(text[:])] = l
		}
		mu.Unlock()
		return l.Allow()
	}, before), nil
}
