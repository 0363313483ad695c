// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/enmesh-go/enmesh"
)

// ErrLimited is found in every refusal of a rate limit. The refusal is an
// *enmesh.Error: ResourceExhausted, 429, RL, Neutral, with RetryAfter.
var ErrLimited = errors.New("rate limit reached")

// Config is the size of a token bucket. It is comparable.
type Config struct {
	// Rate is how many calls a second may go in the long run. It is refused unless
	// above 0 and at most a billion.
	Rate float64
	// Burst is how many may go at once after a pause. 0 is a second's worth, at least
	// 1; negative is refused.
	Burst int
}

// maxRate bounds Config.Rate: beyond it a bucket limits nothing.
const maxRate = 1e9

func (cfg Config) withDefaults() (Config, error) {
	if !(cfg.Rate > 0 && cfg.Rate <= maxRate) { // also what is not a number
		return cfg, fmt.Errorf("limit: Rate %v is not above 0 and at most 1e9", cfg.Rate)
	}
	if cfg.Burst < 0 {
		return cfg, fmt.Errorf("limit: Burst %d is negative", cfg.Burst)
	}
	if cfg.Burst == 0 {
		cfg.Burst = max(1, int(math.Ceil(cfg.Rate)))
	}
	return cfg, nil
}

// TokenBucket admits calls at a rate, with bursts: a bucket holds up to Burst
// tokens, fills at Rate, and every call takes one. It is a gate, over
// golang.org/x/time/rate. Neither admitting nor refusing allocates.
type TokenBucket struct {
	refusal *enmesh.Error

	mu      sync.Mutex     // guards latest, and that limiter is asked in its order
	latest  enmesh.Instant // that was asked for
	limiter *rate.Limiter
}

// NewTokenBucket makes a bucket that is full, or refuses a Config that makes no
// sense.
func NewTokenBucket(cfg Config) (*TokenBucket, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	refill := time.Duration(math.Ceil(float64(time.Second) / cfg.Rate))
	if cfg.Rate < 1e-9 {
		refill = math.MaxInt64
	}
	return &TokenBucket{
		limiter: rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst),
		refusal: &enmesh.Error{
			Code:       enmesh.ResourceExhausted,
			Outcome:    enmesh.Neutral,
			Unsent:     true,
			Status:     429,
			Flag:       enmesh.FlagRateLimited,
			Policy:     "limit",
			RetryAfter: refill,
			Err:        ErrLimited,
		},
	}, nil
}

// Allow is AllowAt now.
func (b *TokenBucket) Allow() bool { return b.AllowAt(enmesh.Now()) }

// AllowAt takes a token at t, or reports false when there is none. Calls share
// readings of the clock, so that t may lie before one that was asked for already;
// then it counts as that one. The limiter by itself would go back in time, and
// credit what lies between once more.
func (b *TokenBucket) AllowAt(t enmesh.Instant) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = max(b.latest, t)
	return b.limiter.AllowN(b.latest.Time(), 1)
}

// Admit takes a token for the call, by the reading of the clock that it carries, or
// refuses. A refusal says after which time one token more will be there.
func (b *TokenBucket) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	if b.AllowAt(c.Clock) {
		return enmesh.Token{}, nil
	}
	return enmesh.Token{}, b.refusal
}

// Done does nothing: a token that was taken stays taken.
func (b *TokenBucket) Done(enmesh.Token, enmesh.Result) {}

// Middleware is the bucket for a route's chain. Other than enmesh.Guard(b) it waits
// for no end, of which the bucket would make nothing.
func (b *TokenBucket) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if !b.AllowAt(c.Clock) {
				return b.refusal
			}
			return next(ctx, c)
		}
	}
}
