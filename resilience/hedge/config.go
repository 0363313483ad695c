// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// The defaults of [Config].
const (
	DefaultPercentile = 0.95 // the hedging delay of "The Tail at Scale"
	DefaultMinSamples = 100
	DefaultWindow     = 30 * time.Second
	DefaultMaxHedges  = 1
)

// maxHedges bounds MaxHedges: beyond it a configuration is surely a mistake.
const maxHedges = 10

// Budget bounds how many more attempts are made than calls, over all calls that share
// it. *resilience.Budget is one, and the retry's should be the same; nothing is paid into
// it here, so put its own middleware outside.
type Budget interface {
	// Take asks for one more attempt.
	Take() bool
	// Refund gives back an attempt that was taken and not made.
	Refund()
}

// Config says when a call is sent once more. It is comparable if its Budget and its
// Recorder are.
type Config struct {
	// Delay is the wait before a hedge, and between one and the next. With a Percentile
	// it serves until enough attempts are known. 0 is none: then only the Percentile counts.
	// Negative and above an hour are refused.
	Delay time.Duration
	// Percentile is the share of first attempts that are not hedged: the wait is how long
	// that share takes. 0 is 0.95 when there is no Delay, and else none; refused unless
	// at least 0.5 and below 1.
	Percentile float64
	// MinSamples is how many first attempts must be known before the Percentile says
	// anything. 0 is 100; refused unless within 1 to a million.
	MinSamples int
	// Window is how far back they count. 0 is 30 s; refused unless within 100 ms to 1 h.
	Window time.Duration
	// MaxHedges is how many are sent beside the first attempt. 0 is 1; refused unless
	// within 1 to 10.
	MaxHedges int
	// Idempotent says that the calls which come here may be done twice, whatever their
	// method. Without it those are hedged that say so themselves (see enmesh.Call.Repeatable).
	Idempotent bool
	// Budget bounds the hedges of all calls together. nil does not.
	Budget Budget
	// Shadow sends no hedges: it tells the Recorder of each call that was not answered
	// within the delay.
	Shadow bool
	// Recorder is told of hedges, and of those that the Budget refuses. nil is nobody.
	Recorder enmesh.Recorder
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Delay == 0 && cfg.Percentile == 0 {
		cfg.Percentile = DefaultPercentile
	}
	if cfg.MinSamples == 0 {
		cfg.MinSamples = DefaultMinSamples
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.MaxHedges == 0 {
		cfg.MaxHedges = DefaultMaxHedges
	}
	switch {
	case cfg.Delay < 0 || cfg.Delay > time.Hour:
		return cfg, fmt.Errorf("hedge: Delay %v is not within 0 to 1h", cfg.Delay)
	case cfg.Percentile != 0 && !(cfg.Percentile >= 0.5 && cfg.Percentile < 1): // also what is not a number
		return cfg, fmt.Errorf("hedge: Percentile %v is not at least 0.5 and below 1", cfg.Percentile)
	case cfg.MinSamples < 1 || cfg.MinSamples > 1_000_000:
		return cfg, fmt.Errorf("hedge: MinSamples %d is not within 1 to a million", cfg.MinSamples)
	case cfg.Window < 100*time.Millisecond || cfg.Window > time.Hour:
		return cfg, fmt.Errorf("hedge: Window %v is not within 100ms to 1h", cfg.Window)
	case cfg.MaxHedges < 1 || cfg.MaxHedges > maxHedges:
		return cfg, fmt.Errorf("hedge: MaxHedges %d is not within 1 to %d", cfg.MaxHedges, maxHedges)
	}
	return cfg, nil
}
