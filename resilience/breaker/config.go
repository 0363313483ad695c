// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// The defaults of [Config].
const (
	DefaultConsecutiveFailures = 5
	DefaultMinRequests         = 20
	DefaultInterval            = 10 * time.Second
	DefaultSlowRatio           = 0.5
	DefaultOpenFor             = 5 * time.Second
	DefaultProbes              = 1
)

// Config says when a breaker trips, and how it closes again. It is comparable. The
// zero Config trips after five failures in a row.
type Config struct {
	// ConsecutiveFailures trips after that many failures without a success between, all
	// within Interval. 0 is off if FailureRatio or SlowAfter is set, and 5 otherwise.
	ConsecutiveFailures uint32
	// FailureRatio trips when that share of the calls within Interval failed, once
	// MinRequests of them have ended: above 0, to 1. 0 is off; what else is refused.
	FailureRatio float64
	// SlowAfter calls a call slow whose answer's head, or whose failure, came later than
	// that. 0 is off; below 1 ms and above an hour is refused.
	SlowAfter time.Duration
	// SlowRatio trips when that share of the calls within Interval was slow, once
	// MinRequests of them have ended: above 0, to 1. 0 is 0.5; without SlowAfter any other
	// is refused.
	SlowRatio float64
	// MinRequests is how many calls must have succeeded or failed within Interval before
	// FailureRatio and SlowRatio count. 0 is 20.
	MinRequests uint32
	// Interval is how far back the calls count, in tenths that are forgotten one by
	// one; a call counts when it ends. 0 is 10 s; below 10 ms and above an hour is
	// refused.
	Interval time.Duration
	// OpenFor is how long a tripped breaker refuses before it lets probes through. 0 is
	// 5 s; below 1 ms and above an hour is refused.
	OpenFor time.Duration
	// Probes is how many calls a half-open breaker lets through at once, and how many of
	// them must succeed, and not be slow, to close it. 0 is 1; above 1000 is refused.
	Probes uint32
	// ProbeTimeout is how long a probe that does not end keeps its place. What it says
	// later does not count. 0 is OpenFor; below 1 ms and above an hour is refused.
	ProbeTimeout time.Duration
	// Shadow lets through what the breaker would refuse, and tells Recorder.
	Shadow bool
	// Recorder counts what is done in shadow. nil: nobody does.
	Recorder enmesh.Recorder
}

// maxProbes bounds Probes: beyond it a configuration is surely a mistake.
const maxProbes = 1000

func (cfg Config) withDefaults() (Config, error) {
	if cfg.ConsecutiveFailures == 0 && cfg.FailureRatio == 0 && cfg.SlowAfter == 0 {
		cfg.ConsecutiveFailures = DefaultConsecutiveFailures
	}
	if cfg.SlowRatio == 0 && cfg.SlowAfter != 0 {
		cfg.SlowRatio = DefaultSlowRatio
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
	if cfg.ProbeTimeout == 0 {
		cfg.ProbeTimeout = cfg.OpenFor
	}
	return cfg, cfg.validate()
}

func (cfg Config) validate() error {
	switch {
	case !(cfg.FailureRatio >= 0 && cfg.FailureRatio <= 1): // also what is not a number
		return fmt.Errorf("breaker: FailureRatio %v is not within 0 to 1", cfg.FailureRatio)
	case !(cfg.SlowRatio >= 0 && cfg.SlowRatio <= 1):
		return fmt.Errorf("breaker: SlowRatio %v is not within 0 to 1", cfg.SlowRatio)
	case cfg.SlowAfter == 0 && cfg.SlowRatio != 0:
		return fmt.Errorf("breaker: SlowRatio %v is set without SlowAfter", cfg.SlowRatio)
	case cfg.SlowAfter != 0 && (cfg.SlowAfter < time.Millisecond || cfg.SlowAfter > time.Hour):
		return fmt.Errorf("breaker: SlowAfter %v is not within 1ms to 1h", cfg.SlowAfter)
	case cfg.Interval < 10*time.Millisecond || cfg.Interval > time.Hour:
		return fmt.Errorf("breaker: Interval %v is not within 10ms to 1h", cfg.Interval)
	case cfg.OpenFor < time.Millisecond || cfg.OpenFor > time.Hour:
		return fmt.Errorf("breaker: OpenFor %v is not within 1ms to 1h", cfg.OpenFor)
	case cfg.ProbeTimeout < time.Millisecond || cfg.ProbeTimeout > time.Hour:
		return fmt.Errorf("breaker: ProbeTimeout %v is not within 1ms to 1h", cfg.ProbeTimeout)
	case cfg.Probes > maxProbes:
		return fmt.Errorf("breaker: Probes %d is above %d", cfg.Probes, maxProbes)
	}
	return nil
}
