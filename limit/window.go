// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// FixedWindow admits up to Limit units in each of the windows that time is cut into. It
// is the cheapest to explain, and at the edge of two windows lets through twice the limit
// in a moment: where that matters, take a [SlidingCounter]. It is a gate. Neither
// admitting nor refusing allocates.
type FixedWindow struct{ window }

// NewFixedWindow makes the limit, or refuses a FixedConfig that makes no sense.
func NewFixedWindow(cfg FixedConfig) (*FixedWindow, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &FixedWindow{newWindow(&single{rule: cfg.rule()}, cfg.Terms, quota{cfg.Limit, cfg.Window})}, nil
}

func (cfg FixedConfig) rule() *fixedRule { return &fixedRule{newGrid(cfg.Window), int64(cfg.Limit)} }

// grid cuts time into windows that are aligned to the wall clock.
type grid struct{ width, phase int64 }

func newGrid(width time.Duration) grid {
	phase := enmesh.Instant(0).Time().UnixNano() % int64(width)
	if phase < 0 {
		phase += int64(width)
	}
	return grid{int64(width), phase}
}

// at is the number of the window that t is in, and for how long it has been.
func (g grid) at(t enmesh.Instant) (number, elapsed int64) {
	since := int64(t) + g.phase
	return since / g.width, since % g.width
}

// from is at, without a division where t is in the window of that number. A t before it
// counts as its beginning.
func (g grid) from(number int64, t enmesh.Instant) (now, elapsed int64) {
	elapsed = int64(t) + g.phase - number*g.width
	switch {
	case elapsed < 0:
		return number, 0
	case elapsed < g.width:
		return number, elapsed
	}
	return g.at(t)
}

// fixedRule counts by windows: its state is the number of the window and what was taken
// in it.
type fixedRule struct {
	grid
	limit int64
}

func (r *fixedRule) take(s *state, t enmesh.Instant, n int, _ bool) verdict {
	number, elapsed := r.from(s.a, t)
	if number != s.a {
		s.a, s.b = number, 0
	}
	rest := time.Duration(r.width - elapsed)
	if int64(n) > r.limit-s.b {
		v := verdict{wait: rest, left: int(r.limit - s.b)}
		if int64(n) > r.limit {
			v.wait = never
		}
		return v
	}
	s.b += int64(n)
	return verdict{ok: true, left: int(r.limit - s.b), reset: rest}
}

func (r *fixedRule) fresh(s *state, t enmesh.Instant) bool {
	return s.b == 0 || int64(t)+r.phase >= (s.a+1)*r.width
}
