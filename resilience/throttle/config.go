// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
)

// The defaults of [Config].
const (
	DefaultMultiplier   = 2
	DefaultWindow       = 2 * time.Minute
	DefaultMinRequests  = 20
	DefaultMinPerSecond = 1
)

// DefaultOverloaded are the answers that say "overloaded" when nothing else is said: the
// codes RESOURCE_EXHAUSTED and UNAVAILABLE, the statuses 429 and 503. 502 is a
// gateway's UNAVAILABLE and one of them.
func DefaultOverloaded() resilience.On {
	return resilience.MustOn("resource-exhausted,unavailable,429,503")
}

// Config says when calls are refused here, since the far side refuses them anyway. It
// is comparable. The zero Config is that of the book, with a window of two minutes.
type Config struct {
	// Multiplier is how many calls are sent for each that is accepted, the book's K: 2
	// means that the far side has to refuse half of what it gets before any is refused
	// here. Less sends it less of what it refuses, and learns later that it has
	// recovered. 0 is 2; below 1.1 and above 100 is refused.
	Multiplier float64
	// Window is how far back the calls count, in twentieths that are forgotten one by one.
	// 0 is 2 min; below 100 ms and above an hour is refused.
	Window time.Duration
	// Overloaded is what counts as not accepted: answers by which the far side says that
	// it has too much to do. The empty set is [DefaultOverloaded]. Whatever else was
	// answered counts as accepted, an error too; what was not answered, or refused by a
	// policy of this process, does not count at all, unless it is listed.
	Overloaded resilience.On
	// MinRequests is how many calls must have been answered within the window before any
	// is refused. 0 is 20.
	MinRequests uint32
	// MinPerSecond is how many calls a second are sent whatever is answered, so that a
	// far side that has recovered is found. 0 is 1; negative is none, which is for tests;
	// above a thousand is refused.
	MinPerSecond int
	// Shadow lets through what would be refused, and tells Recorder.
	Shadow bool
	// Recorder counts what is done in shadow. nil: nobody does.
	Recorder enmesh.Recorder
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Multiplier == 0 {
		cfg.Multiplier = DefaultMultiplier
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.Overloaded == (resilience.On{}) {
		cfg.Overloaded = DefaultOverloaded()
	}
	if cfg.MinRequests == 0 {
		cfg.MinRequests = DefaultMinRequests
	}
	if cfg.MinPerSecond == 0 {
		cfg.MinPerSecond = DefaultMinPerSecond
	}
	switch {
	case !(cfg.Multiplier >= 1.1 && cfg.Multiplier <= 100): // also what is not a number
		return cfg, fmt.Errorf("throttle: Multiplier %v is not within 1.1 to 100", cfg.Multiplier)
	case cfg.Window < 100*time.Millisecond || cfg.Window > time.Hour:
		return cfg, fmt.Errorf("throttle: Window %v is not within 100ms to 1h", cfg.Window)
	case cfg.MinPerSecond > 1000:
		return cfg, fmt.Errorf("throttle: MinPerSecond %d is above 1000", cfg.MinPerSecond)
	}
	return cfg, nil
}
