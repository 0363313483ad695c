// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// KeyedConfig is a limit for each key. It is comparable.
type KeyedConfig struct {
	// By says whose limit a call counts against. nil is refused.
	By Key
	// Each is the limit of every key: a [Config], a [FixedConfig] or a [CounterConfig].
	// The last counts from two windows for every key, whatever its Slices, which have to
	// be 0 or 1. nil is refused. Its Terms are the whole's.
	Each Each
	// MaxKeys is for about how many keys a state is kept, in 43 bytes each; a tenth
	// more of them at 100,000, since they do not spread evenly. 0 is 100,000; it is refused unless within 0 to 100 million.
	MaxKeys int
}

// Each is the config of a limit that can be had for each key.
type Each interface {
	each() (rule, Terms, quota, error)
}

const (
	defaultMaxKeys = 100_000
	mostKeys       = 100_000_000
)

// Keyed is a limit for each key. It keeps the states of a bounded number of keys. When a
// new one comes and there is no room, a key gives up its place whose state says nothing,
// its bucket being full again: so a key that is being limited is never forgiven, however
// many others come. When there is none such, all keys without a place share one limit of
// the same size, the overflow: what is limited stays limited, and what is new shares.
//
// It is a gate. Neither admitting nor refusing allocates, but for what a [ByFunc] does.
type Keyed struct {
	voice
	by       Key
	secret   secret
	table    *table
	overflow single
	spilled  atomic.Uint64
}

// NewKeyed makes the limit, or refuses a KeyedConfig that makes no sense.
func NewKeyed(cfg KeyedConfig) (*Keyed, error) {
	switch {
	case cfg.By == nil:
		return nil, errors.New("limit: KeyedConfig has no By")
	case cfg.Each == nil:
		return nil, errors.New("limit: KeyedConfig has no Each")
	case cfg.MaxKeys < 0 || cfg.MaxKeys > mostKeys:
		return nil, fmt.Errorf("limit: MaxKeys %d is not within 0 to %d", cfg.MaxKeys, mostKeys)
	case cfg.MaxKeys == 0:
		cfg.MaxKeys = defaultMaxKeys
	}
	if err := cfg.By.check(); err != nil {
		return nil, err
	}
	r, terms, q, err := cfg.Each.each()
	if err != nil {
		return nil, err
	}
	return &Keyed{
		voice:    newVoice(terms, q),
		by:       cfg.By,
		secret:   newSecret(),
		table:    newTable(r, cfg.MaxKeys),
		overflow: single{rule: r},
	}, nil
}

// Keys is for how many keys a state is kept now.
func (k *Keyed) Keys() int { return k.table.keys() }

// Overflowed is how many calls have counted against the overflow so far.
func (k *Keyed) Overflowed() uint64 { return k.spilled.Load() }

// AllowAt takes n units of the key's limit at t, or reports false when there are not as
// many and takes none. n of 0 or less is always allowed. A key that is given here as a
// text is another than any that By finds in a call, unless By is [ByHeader], [ByMethod],
// [ByPath], [ByPrincipal] or [ByFunc].
func (k *Keyed) AllowAt(t enmesh.Instant, key string, n int) bool {
	return n <= 0 || k.take(k.digestOf(key), t, n, false).ok
}

// Wait takes n units of the key's limit, and waits until there are as many, as that of
// [FixedWindow] does. The key is as AllowAt has it.
func (k *Keyed) Wait(ctx context.Context, key string, n int) error {
	d := k.digestOf(key)
	return k.refusals.wait(ctx, n, func(t enmesh.Instant) verdict { return k.take(d, t, n, false) })
}

func (k *Keyed) digestOf(key string) digest {
	s := k.secret.start()
	s.part(key)
	return s.sum()
}

func (k *Keyed) take(key digest, t enmesh.Instant, n int, look bool) verdict {
	if v, ok := k.table.take(key, t, n, look); ok {
		return v
	}
	k.spilled.Add(1)
	return k.overflow.take(t, n, look)
}

// Admit takes what the call costs from the limit of its key, by the reading of the clock
// that it carries, or refuses. A refusal says after which time the call would pass.
func (k *Keyed) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	if e := k.admit(c); e != nil {
		return enmesh.Token{}, e
	}
	return enmesh.Token{}, nil
}

func (k *Keyed) admit(c *enmesh.Call) *enmesh.Error {
	n := k.terms.cost(c)
	if n <= 0 {
		return nil
	}
	s := k.by.add(k.secret.start(), c)
	return k.answer(c, k.take(s.sum(), c.Clock, n, k.headers.always(c)))
}

// Done does nothing: what was taken stays taken.
func (k *Keyed) Done(enmesh.Token, enmesh.Result) {}

// Middleware is the limit for a route's chain. Other than enmesh.Guard of it, it waits
// for no end, of which the limit would make nothing.
func (k *Keyed) Middleware() enmesh.Middleware { return middleware(k.admit) }

func (cfg Config) each() (rule, Terms, quota, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, cfg.Terms, quota{}, err
	}
	return &bucketRule{rate: cfg.Rate, burst: float64(cfg.Burst)}, cfg.Terms, cfg.quota(), nil
}

func (cfg FixedConfig) each() (rule, Terms, quota, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, cfg.Terms, quota{}, err
	}
	return cfg.rule(), cfg.Terms, quota{cfg.Limit, cfg.Window}, nil
}

func (cfg CounterConfig) each() (rule, Terms, quota, error) {
	if cfg.Slices > 1 {
		return nil, cfg.Terms, quota{}, fmt.Errorf("limit: Slices %d for each key: two windows are all that is kept", cfg.Slices)
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, cfg.Terms, quota{}, err
	}
	return cfg.rule(), cfg.Terms, quota{cfg.Limit, cfg.Window}, nil
}
