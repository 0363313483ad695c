// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/enmesh-go/enmesh"
)

// TokenBucket admits calls at a rate, with bursts: a bucket holds up to Burst
// tokens, fills at Rate, and every call takes as many as it costs. It is a gate, over
// golang.org/x/time/rate. Neither admitting nor refusing allocates.
type TokenBucket struct {
	gate
	bucket
}

// bucket is the algorithm.
type bucket struct {
	rate  float64
	burst int
	shut  unit

	mu     sync.Mutex     // guards latest, and that source is asked in its order
	latest enmesh.Instant // that was asked for
	source *rate.Limiter
}

// NewTokenBucket makes a bucket that is full, or refuses a Config that makes no
// sense.
func NewTokenBucket(cfg Config) (*TokenBucket, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &TokenBucket{bucket: bucket{
		rate:   cfg.Rate,
		burst:  cfg.Burst,
		source: rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst),
	}}
	b.gate = newGate(&b.bucket, cfg.Terms, cfg.quota())
	return b, nil
}

// take takes n tokens. The limiter by itself would go back in time with a t before the
// latest, and credit what lies between once more.
func (b *bucket) take(t enmesh.Instant, n int, look bool) verdict {
	if v, known := b.shut.refuses(t, n); known && v.wait > 1 { // the limiter lets go what lacks less than a nanosecond
		return v
	}
	b.mu.Lock()
	at := b.at(t)
	v := b.ask(at, n, look)
	if v.ok {
		b.shut.open()
	} else {
		b.shut.learn(b.latest, n, v.wait)
	}
	b.mu.Unlock()
	return v
}

// ask asks the limiter. The caller holds mu.
func (b *bucket) ask(at time.Time, n int, look bool) verdict {
	if b.source.AllowN(at, n) {
		if !look {
			return verdict{ok: true}
		}
		tokens := b.source.TokensAt(at)
		return verdict{ok: true, left: int(tokens), reset: span(float64(b.burst)-tokens, b.rate)}
	}
	tokens := b.source.TokensAt(at)
	if n > b.burst {
		return verdict{wait: never, left: int(tokens)}
	}
	return verdict{wait: span(float64(n)-tokens, b.rate), left: int(tokens)}
}

// at is t, or the latest that was asked for. The caller holds mu.
func (b *bucket) at(t enmesh.Instant) time.Time {
	b.latest = max(b.latest, t)
	return b.latest.Time()
}

// ReserveAt takes n tokens at t, also those that are not there yet, and says how long
// the caller has to wait for them: 0 when they are there. Where he would wait longer than
// patience, or n is more than Burst, it takes none and reports false; wait is then how
// long he would have, negative for ever.
func (b *TokenBucket) ReserveAt(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool) {
	if n <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.burst {
		return never, false
	}
	at := b.at(t)
	b.shut.open()
	wait = max(0, span(float64(n)-b.source.TokensAt(at), b.rate))
	if wait > patience {
		return wait, false
	}
	b.source.ReserveN(at, n)
	return wait, true
}

// Wait takes n tokens, and waits until they are there. It fails at once, taking none,
// when that would be after the deadline of ctx, with a refusal as Admit's; and with the
// cause when ctx ends before: what was taken is lost then.
func (b *TokenBucket) Wait(ctx context.Context, n int) error {
	wait, ok := b.ReserveAt(enmesh.Now(), n, patienceOf(ctx))
	if !ok {
		return b.refusals.after(wait)
	}
	return sleep(ctx, wait)
}

// patienceOf is how long a call under ctx can wait at most: a turn that comes as the
// deadline passes comes too late.
func patienceOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return longest
	}
	return time.Until(deadline) - 1
}

// sleep waits for d, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return enmesh.EndOf(ctx)
	}
}
