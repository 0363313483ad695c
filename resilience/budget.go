// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// buckets is how many parts the window of a Budget has. The oldest is forgotten
// whole, so that the window is at most one part shorter than it says.
const buckets = 10

const million = 1_000_000

// The defaults of [BudgetConfig], which are Finagle's and Linkerd's.
const (
	DefaultRatio        = 0.2
	DefaultMinPerSecond = 10
	DefaultWindow       = 10 * time.Second
)

// BudgetConfig says how many more attempts may be made than calls. It is
// comparable.
type BudgetConfig struct {
	// Ratio is the allowed share of further attempts, of the calls within the window.
	// 0 is 0.2; negative allows what MinPerSecond gives alone; above 10 is refused.
	Ratio float64
	// MinPerSecond is allowed besides, so that a service with few calls can be retried
	// at all. 0 is 10; negative is none; above a million is refused.
	MinPerSecond int
	// Window is how far back calls and attempts count. 0 is 10 s; below 10 ms and
	// above an hour is refused.
	Window time.Duration
}

func (cfg BudgetConfig) withDefaults() (BudgetConfig, error) {
	if cfg.Ratio == 0 {
		cfg.Ratio = DefaultRatio
	}
	if cfg.MinPerSecond == 0 {
		cfg.MinPerSecond = DefaultMinPerSecond
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	switch {
	case !(cfg.Ratio <= 10): // also what is not a number
		return cfg, fmt.Errorf("resilience: budget Ratio %v is above 10", cfg.Ratio)
	case cfg.MinPerSecond > 1_000_000:
		return cfg, fmt.Errorf("resilience: budget MinPerSecond %d is above a million", cfg.MinPerSecond)
	case cfg.Window < 10*time.Millisecond || cfg.Window > time.Hour:
		return cfg, fmt.Errorf("resilience: budget Window %v is not within 10ms to 1h", cfg.Window)
	}
	cfg.Ratio, cfg.MinPerSecond = max(cfg.Ratio, 0), max(cfg.MinPerSecond, 0)
	return cfg, nil
}

// Budget bounds the further attempts (retries, hedges) of all calls that share it:
// within a window, at most a ratio of the calls plus a floor. Without such a bound,
// three layers that each try three times send 27 calls where one was made, just
// when the last can bear them least.
//
// Every call pays in with Deposit, once, however often it is tried: put
// [Budget.Middleware] outside the retry. Every further attempt takes one out. It
// starts with the floor alone. The algorithm is Finagle's RetryBudget, with a window
// of ten buckets in place of its leaky one.
type Budget struct {
	ratio uint64 // further attempts per million calls
	floor uint64 // millionths of further attempts that the window always allows
	width enmesh.Instant

	paid [buckets]counter // calls; written without a lock

	mu    sync.Mutex       // guards taken
	taken [buckets]counter // further attempts
}

// NewBudget makes a Budget, or refuses a configuration that makes no sense.
func NewBudget(cfg BudgetConfig) (*Budget, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Budget{
		ratio: uint64(math.Round(cfg.Ratio * million)),
		floor: uint64(cfg.MinPerSecond) * uint64(cfg.Window.Microseconds()),
		width: enmesh.Instant(cfg.Window / buckets),
	}, nil
}

// Middleware pays one call into the budget. It stands outside every retry and hedge
// that takes from it.
func (b *Budget) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			b.DepositAt(c.Clock)
			return next(ctx, c)
		}
	}
}

// Deposit is DepositAt now.
func (b *Budget) Deposit() { b.DepositAt(enmesh.Now()) }

// DepositAt pays in one call made at t. It takes no lock.
func (b *Budget) DepositAt(t enmesh.Instant) {
	age := uint32(t / b.width)
	b.paid[age%buckets].add(age)
}

// Take is TakeAt now.
func (b *Budget) Take() bool { return b.TakeAt(enmesh.Now()) }

// TakeAt takes one further attempt out at t, or reports false when there is none.
func (b *Budget) TakeAt(t enmesh.Instant) bool {
	age := uint32(t / b.width)
	b.mu.Lock()
	defer b.mu.Unlock()
	if (sum(&b.taken, age)+1)*million > b.floor+b.ratio*sum(&b.paid, age) {
		return false
	}
	b.taken[age%buckets].add(age)
	return true
}

// Refund is RefundAt now.
func (b *Budget) Refund() { b.RefundAt(enmesh.Now()) }

// RefundAt gives back an attempt that was taken and not made: the latest of the
// window at t. When none is left in it, nothing happens.
func (b *Budget) RefundAt(t enmesh.Instant) {
	age := uint32(t / b.width)
	b.mu.Lock()
	defer b.mu.Unlock()
	for back := range uint32(buckets) {
		if c := &b.taken[(age-back)%buckets]; c.at(age-back) > 0 {
			c.v.Add(^uint64(0))
			return
		}
	}
}

// sum is the count of the window that ends with the bucket age.
func sum(window *[buckets]counter, age uint32) uint64 {
	var n uint64
	for back := range uint32(buckets) {
		n += window[(age-back)%buckets].at(age - back)
	}
	return n
}

// counter is the count of one bucket, with the age of the bucket in its upper half:
// a bucket is emptied by whoever first finds it old, in the same step as it counts.
type counter struct{ v atomic.Uint64 }

// add counts one, unless the bucket is newer: a whole window has gone by meanwhile.
func (c *counter) add(age uint32) {
	for {
		v := c.v.Load()
		switch behind := int32(age - uint32(v>>32)); {
		case behind == 0:
			c.v.Add(1)
			return
		case behind < 0 && v != 0:
			return
		}
		if c.v.CompareAndSwap(v, uint64(age)<<32|1) {
			return
		}
	}
}

// at is the count, if the bucket is of that age.
func (c *counter) at(age uint32) uint64 {
	v := c.v.Load()
	if v>>32 != uint64(age) {
		return 0
	}
	return v & (1<<32 - 1)
}
