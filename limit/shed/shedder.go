// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"context"
	"math/rand/v2"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// Shedder refuses calls while the program is overloaded, those that matter least first.
// It is a gate for a server. Neither admitting nor refusing allocates or takes a lock.
// Close it when it is not used any more.
type Shedder struct {
	watches bool // a load beside the calls in flight
	own     *Sampler
	room    [levels]int64 // calls in flight at which each level is refused; 0: never

	inFlight  atomic.Int64
	admission admission
}

// levels is the number of levels of criticality. Arrays of so many are by
// enmesh.Criticality.Rank, the first to go first.
const levels = 4

// parts is the part of Config.InFlight that each level may fill.
var parts = [levels]float64{0.5, 0.75, 1, 1.1}

// New makes a shedder, or refuses a Config that makes no sense.
func New(cfg Config) (*Shedder, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Shedder{watches: cfg.CPU > 0 || cfg.Delay > 0}
	if cfg.InFlight > 0 {
		for i, part := range parts {
			s.room[i] = max(1, int64(part*float64(cfg.InFlight)))
		}
	}
	if s.watches && cfg.Source == nil {
		if s.own, err = NewSampler(SamplerConfig{}); err != nil {
			return nil, err
		}
		cfg.Source = s.own
	}
	s.admission.open(cfg)
	return s, nil
}

// Close ends what New has started, and waits for it. The shedder goes on with the load
// that it saw last.
func (s *Shedder) Close() error {
	if s.own == nil {
		return nil
	}
	return s.own.Close()
}

// InFlight is how many calls run now.
func (s *Shedder) InFlight() int64 { return s.inFlight.Load() }

// Admitted is the part of the calls that the load allows now, from 0 to 1.
func (s *Shedder) Admitted() float64 { return s.admission.part() }

// Admit lets the call through, or refuses it.
func (s *Shedder) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	rank := enmesh.CriticalityOf(ctx).Rank()
	if s.watches && !s.admission.admit(rank, c.Clock) {
		return enmesh.Token{}, errRefused
	}
	n := s.inFlight.Add(1)
	if room := s.room[rank]; room > 0 && n > room {
		s.inFlight.Add(-1)
		return enmesh.Token{}, errRefused
	}
	return enmesh.Token{}, nil
}

// Done counts the call in flight no longer.
func (s *Shedder) Done(enmesh.Token, enmesh.Result) { s.inFlight.Add(-1) }

// lucky is true for a part of all askers, in units of 1/always.
func lucky(part uint32) bool { return part == always || rand.Uint32N(always) < part }
