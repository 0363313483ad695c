// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"fmt"
	"time"
)

// The defaults of [Config].
const (
	DefaultConsecutiveFailures = 5
	DefaultMinRequests         = 20
	DefaultInterval            = 10 * time.Second
	DefaultOpenFor             = 5 * time.Second
	DefaultProbes              = 1
)

// Config says when a breaker trips, and how it closes again. It is comparable. The
// zero Config trips after five failures in a row.
type Config struct {
	// ConsecutiveFailures trips after that many failures without a success between. 0
	// is off if FailureRatio is set, and 5 otherwise.
	ConsecutiveFailures uint32
	// FailureRatio trips when that share of the calls within Interval failed, once
	// MinRequests of them have ended: above 0, to 1. 0 is off; what else is refused.
	FailureRatio float64
	// MinRequests is how many calls must have succeeded or failed within Interval before
	// FailureRatio counts. 0 is 20.
	MinRequests uint32
	// Interval is how far back the calls count, in tenths that are forgotten one by
	// one. 0 is 10 s; below 10 ms and above an hour is refused.
	Interval time.Duration
	// OpenFor is how long a tripped breaker refuses before it lets probes through, and
	// how long a probe that does not end keeps its place. 0 is 5 s; below 1 ms and
	// above an hour is refused.
	OpenFor time.Duration
	// Probes is how many calls a half-open breaker lets through at once, and how many of
	// them must succeed to close it. 0 is 1.
	Probes uint32
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.ConsecutiveFailures == 0 && cfg.FailureRatio == 0 {
		cfg.ConsecutiveFailures = DefaultConsecutiveFailures
	}
	if cfg.MinRequests == 0 {
		cfg.MinRequests = DefaultMinRequests
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.OpenFor == 0 {
		cfg.OpenFor = DefaultOpenFor
	}
	if cfg.Probes == 0 {
		cfg.Probes = DefaultProbes
	}
	switch {
	case !(cfg.FailureRatio >= 0 && cfg.FailureRatio <= 1): // also what is not a number
		return cfg, fmt.Errorf("breaker: FailureRatio %v is not within 0 to 1", cfg.FailureRatio)
	case cfg.Interval < 10*time.Millisecond || cfg.Interval > time.Hour:
		return cfg, fmt.Errorf("breaker: Interval %v is not within 10ms to 1h", cfg.Interval)
	case cfg.OpenFor < time.Millisecond || cfg.OpenFor > time.Hour:
		return cfg, fmt.Errorf("breaker: OpenFor %v is not within 1ms to 1h", cfg.OpenFor)
	}
	return cfg, nil
}
