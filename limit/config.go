// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"math"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Config is the size of a token bucket. It is comparable.
type Config struct {
	// Rate is how many units a second may go in the long run. It is refused unless
	// above 0 and at most a billion.
	Rate float64
	// Burst is how many may go at once after a pause. 0 is a second's worth, at least
	// 1; negative is refused.
	Burst int
	Terms
}

// maxRate bounds rates: beyond it a limit limits nothing.
const maxRate = 1e9

func checkRate(rate float64) error {
	if !(rate > 0 && rate <= maxRate) { // also what is not a number
		return fmt.Errorf("limit: Rate %v is not above 0 and at most 1e9", rate)
	}
	return nil
}

func (cfg Config) withDefaults() (Config, error) {
	if err := checkRate(cfg.Rate); err != nil {
		return cfg, err
	}
	if cfg.Burst < 0 {
		return cfg, fmt.Errorf("limit: Burst %d is negative", cfg.Burst)
	}
	if cfg.Burst == 0 {
		cfg.Burst = max(1, int(math.Ceil(cfg.Rate)))
	}
	terms, err := cfg.Terms.withDefaults(cfg.Burst)
	cfg.Terms = terms
	return cfg, err
}

// quota is what goes in the seconds that it takes to fill the bucket.
func (cfg Config) quota() quota {
	window := max(time.Second, time.Duration(seconds(span(float64(cfg.Burst), cfg.Rate)))*time.Second)
	return quota{int(min(cfg.Rate*window.Seconds(), math.MaxInt32)), window}
}

// LeakyConfig is the size of a leaky bucket. It is comparable.
type LeakyConfig struct {
	// Rate is how many units flow out a second, evenly. It is refused unless above 0 and
	// at most a billion.
	Rate float64
	// Queue is how many units may wait. 0 is half a second's worth, at least 1; negative
	// lets none wait.
	Queue int
	// MaxWait is how long a call may wait. 0 is 1 s, negative is refused. A call never waits
	// past its own deadline.
	MaxWait time.Duration
	// Shadow: nothing waits and nothing is refused; Recorder is told of what would have.
	Shadow bool
	// Recorder is told of calls that wait, and in shadow of those that would have waited
	// or been refused. nil tells nobody.
	Recorder enmesh.Recorder
	Terms
}

const defaultMaxWait = time.Second

func (cfg LeakyConfig) withDefaults() (LeakyConfig, error) {
	if err := checkRate(cfg.Rate); err != nil {
		return cfg, err
	}
	if cfg.MaxWait < 0 {
		return cfg, fmt.Errorf("limit: MaxWait %v is negative", cfg.MaxWait)
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = defaultMaxWait
	}
	switch {
	case cfg.Queue == 0:
		cfg.Queue = max(1, int(math.Ceil(cfg.Rate/2)))
	case cfg.Queue < 0:
		cfg.Queue = 0
	}
	terms, err := cfg.Terms.withDefaults(math.MaxInt)
	cfg.Terms = terms
	return cfg, err
}

// quota is what goes in the seconds that a call may wait, and at least one.
func (cfg LeakyConfig) quota() quota {
	window := time.Duration(max(seconds(cfg.MaxWait), seconds(span(1, cfg.Rate)))) * time.Second
	return quota{int(min(cfg.Rate*window.Seconds(), math.MaxInt32)), window}
}

// maxUnits bounds what a window may let through.
const maxUnits = 1 << 30

// FixedConfig is a limit for each of the windows that time is cut into. It is
// comparable.
type FixedConfig struct {
	// Limit is how many units may go in one window: 1 to a billion.
	Limit int
	// Window is how long a window is: 1 ms to 30 days. Windows are aligned: those of a
	// minute begin with the minutes of UTC, as the clock stood when the process started.
	Window time.Duration
	Terms
}

// LogConfig is a limit for every span of time of one length. It is comparable.
type LogConfig struct {
	// Limit is how many units may go in any Window: 1 to a million, since the log holds
	// an entry for each call of them.
	Limit int
	// Window is how long the log looks back: 1 ms to 30 days.
	Window time.Duration
	Terms
}

// CounterConfig is a limit for every span of time of one length, counted in slices. It
// is comparable.
type CounterConfig struct {
	// Limit is how many units may go in any Window: 1 to a billion.
	Limit int
	// Window is how long the limit looks back: 1 ms to 30 days.
	Window time.Duration
	// Slices is into how many the window is cut; 0 is 20, more than 1000 is refused. The
	// limit is never exceeded, and a unit may come free one slice late. 1 is the well-known
	// approximation from two windows: the last one counts by the share of it that is still
	// within Window, as if its calls had been spread evenly. It holds what is steady to the
	// limit, and lets a burst at the end of a window pass twice.
	Slices int
	Terms
}

const (
	defaultSlices = 20
	maxSlices     = 1000
	maxLog        = 1_000_000
	maxWindow     = 30 * 24 * time.Hour
)

func checkWindow(limit, most int, window time.Duration) error {
	switch {
	case limit < 1 || limit > most:
		return fmt.Errorf("limit: Limit %d is not within 1 to %d", limit, most)
	case window < time.Millisecond || window > maxWindow:
		return fmt.Errorf("limit: Window %v is not within 1ms to %v", window, maxWindow)
	}
	return nil
}

func (cfg FixedConfig) withDefaults() (FixedConfig, error) {
	if err := checkWindow(cfg.Limit, maxUnits, cfg.Window); err != nil {
		return cfg, err
	}
	terms, err := cfg.Terms.withDefaults(cfg.Limit)
	cfg.Terms = terms
	return cfg, err
}

func (cfg LogConfig) withDefaults() (LogConfig, error) {
	if err := checkWindow(cfg.Limit, maxLog, cfg.Window); err != nil {
		return cfg, err
	}
	terms, err := cfg.Terms.withDefaults(cfg.Limit)
	cfg.Terms = terms
	return cfg, err
}

func (cfg CounterConfig) withDefaults() (CounterConfig, error) {
	if err := checkWindow(cfg.Limit, maxUnits, cfg.Window); err != nil {
		return cfg, err
	}
	if cfg.Slices < 0 || cfg.Slices > maxSlices {
		return cfg, fmt.Errorf("limit: Slices %d is not within 0 to %d", cfg.Slices, maxSlices)
	}
	if cfg.Slices == 0 {
		cfg.Slices = defaultSlices
	}
	terms, err := cfg.Terms.withDefaults(cfg.Limit)
	cfg.Terms = terms
	return cfg, err
}
