// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Algorithm is how an [Adaptive] limit finds itself.
type Algorithm uint8

// The algorithms. All learn from what a window of calls showed, at most ten times a
// second.
const (
	// Gradient2 compares the latency of now with that of long: the default.
	Gradient2 Algorithm = iota
	// Vegas estimates how many calls wait in the far side's queue.
	Vegas
	// AIMD adds one while latency is below a bound, and cuts by a tenth when it is above.
	AIMD
)

var algorithms = [...]string{"gradient2", "vegas", "aimd"}

// String is "gradient2", "vegas" or "aimd".
func (a Algorithm) String() string {
	if int(a) < len(algorithms) {
		return algorithms[a]
	}
	return fmt.Sprintf("algorithm(%d)", uint8(a))
}

// ParseAlgorithm reads an algorithm as String writes it.
func ParseAlgorithm(s string) (Algorithm, bool) {
	for i, name := range algorithms {
		if s == name {
			return Algorithm(i), true
		}
	}
	return Gradient2, false
}

// AdaptiveConfig is how an adaptive limit behaves. It is comparable; the zero
// AdaptiveConfig is the defaults.
type AdaptiveConfig struct {
	// Algorithm is Gradient2, Vegas or AIMD.
	Algorithm Algorithm
	// Initial is the limit to begin with. 0 is 20, brought between Min and Max.
	Initial int64
	// Min is what the limit never falls below: 0 is 3, which still lets enough calls
	// through to learn from. Max is what it never rises above: 0 is 1000.
	Min, Max int64
	// Tolerance is, for Gradient2, how many times as long as usual calls may take before
	// the limit shrinks. 0 is 1.15; below 1 and above 10 is refused. What settles is about
	// Tolerance times what the far side can do at once.
	Tolerance float64
	// Timeout is, for AIMD, the mean latency above which the limit is cut. 0 is 5 s;
	// negative is refused. The other algorithms do not read it.
	Timeout time.Duration
	// Backoff is what is left of the limit when it is cut: by AIMD, and by every algorithm
	// when the far side refuses. 0 is 0.9; it is refused unless from 0.5 to below 1.
	Backoff float64
	// Shares leaves room for what matters more. The zero Shares treats all alike.
	Shares Shares
	// Refusal is the error of a call that is one too many; see Config.Refusal.
	Refusal *enmesh.Error
	// Status and RetryAfter are as in Config.
	Status     int
	RetryAfter time.Duration
}

// The defaults. Those of the algorithms themselves are with them.
const (
	defaultInitial   = 20   // Netflix's concurrency-limits
	defaultMin       = 3    // Envoy's min_concurrency
	defaultMax       = 1000 // Envoy's max_concurrency_limit
	defaultTolerance = 1.15
	defaultTimeout   = 5 * time.Second
	defaultBackoff   = 0.9
)

func orDefault[T int64 | float64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

func (cfg AdaptiveConfig) withDefaults() (AdaptiveConfig, error) {
	cfg.Min, cfg.Max = orDefault(cfg.Min, defaultMin), orDefault(cfg.Max, defaultMax)
	if cfg.Initial == 0 && cfg.Min > 0 && cfg.Min <= cfg.Max {
		cfg.Initial = min(max(defaultInitial, cfg.Min), cfg.Max)
	}
	cfg.Tolerance = orDefault(cfg.Tolerance, defaultTolerance)
	cfg.Timeout = orDefault(cfg.Timeout, defaultTimeout)
	cfg.Backoff = orDefault(cfg.Backoff, defaultBackoff)
	return cfg, cfg.check()
}

func (cfg AdaptiveConfig) check() error {
	switch {
	case int(cfg.Algorithm) >= len(algorithms):
		return fmt.Errorf("concurrency: Algorithm %v is none", cfg.Algorithm)
	case cfg.Min < 1:
		return fmt.Errorf("concurrency: Min %d is less than 1", cfg.Min)
	case cfg.Max < cfg.Min:
		return fmt.Errorf("concurrency: Max %d is less than Min %d", cfg.Max, cfg.Min)
	case cfg.Initial < cfg.Min || cfg.Initial > cfg.Max:
		return fmt.Errorf("concurrency: Initial %d is not from Min %d to Max %d", cfg.Initial, cfg.Min, cfg.Max)
	case !(cfg.Tolerance >= 1 && cfg.Tolerance <= 10):
		return fmt.Errorf("concurrency: Tolerance %v is not from 1 to 10", cfg.Tolerance)
	case cfg.Timeout < 0:
		return fmt.Errorf("concurrency: Timeout %v is negative", cfg.Timeout)
	case !(cfg.Backoff >= 0.5 && cfg.Backoff < 1):
		return fmt.Errorf("concurrency: Backoff %v is not from 0.5 to below 1", cfg.Backoff)
	}
	return nil
}

// law is the algorithm that the configuration names.
func (cfg AdaptiveConfig) law() law {
	switch cfg.Algorithm {
	case Vegas:
		return &vegas{}
	case AIMD:
		return &aimd{timeout: float64(cfg.Timeout), backoff: cfg.Backoff}
	case Gradient2:
	}
	return &gradient2{tolerance: cfg.Tolerance}
}
