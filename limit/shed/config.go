// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"fmt"
	"time"
)

// Load is how loaded the program is.
type Load struct {
	// CPU is the part of what the program may use of the machine that is in use, from 0
	// to 1, or a little more. Negative: not known.
	CPU float64
	// Delay is how long goroutines that could run wait for a CPU. Negative: not known.
	Delay time.Duration
}

// Source tells the load. [Sampler] is one; a test brings its own. It is asked at most
// four times a second, and must not block.
type Source interface {
	Load() Load
}

// Config is at which load a [Shedder] sheds. It is comparable; the zero Config sheds at
// 90% of the CPU.
type Config struct {
	// CPU is the part of the CPU above which calls are refused. 0 is 0.9, as go-zero has
	// it; negative is: not by CPU; more than 1 is refused.
	CPU float64
	// Delay is how long goroutines may wait for a CPU before calls are refused. 0 is: not
	// by delay; negative is refused. 5 ms is a lot.
	Delay time.Duration
	// InFlight is how many calls may run at once: half of it for SHEDDABLE, three quarters
	// for SHEDDABLE_PLUS, all of it for CRITICAL, and a tenth more for CRITICAL_PLUS. 0 is:
	// not by number; negative is refused.
	InFlight int64
	// Source tells the load. nil is a Sampler of the Shedder's own, which its Close ends;
	// there is none if neither CPU nor Delay is to be watched.
	Source Source
}

const defaultCPU = 0.9

func (cfg Config) withDefaults() (Config, error) {
	if cfg.CPU == 0 {
		cfg.CPU = defaultCPU
	}
	switch {
	case !(cfg.CPU <= 1): // also what is not a number
		return cfg, fmt.Errorf("shed: CPU %v is above 1", cfg.CPU)
	case cfg.Delay < 0:
		return cfg, fmt.Errorf("shed: Delay %v is negative", cfg.Delay)
	case cfg.InFlight < 0:
		return cfg, fmt.Errorf("shed: InFlight %d is negative", cfg.InFlight)
	}
	return cfg, nil
}

// pressure is the load in parts of what is allowed: above 1 is too much.
func (cfg Config) pressure(l Load) float64 {
	p := 0.0
	if cfg.CPU > 0 && l.CPU > 0 {
		p = l.CPU / cfg.CPU
	}
	if cfg.Delay > 0 && l.Delay > 0 {
		p = max(p, float64(l.Delay)/float64(cfg.Delay))
	}
	return p
}
