// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Config is what is simulated: calls that come at random (a Poisson process, which does
// not slow down when answers do), an algorithm, and servers.
type Config struct {
	Algorithm balance.Algorithm // under test; nil is that of balance.ClusterConfig
	Servers   []Server          // at the start; at least one

	// Load is the rate of calls as a share of what all Servers could work off if none
	// were slow, cold or failing; 0: 0.5. At 1 and above lines grow without end.
	Load float64
	// Rate is the rate of calls, a second, instead of Load.
	Rate float64
	// Calls is how many there are; 0: 100,000.
	Calls int
	// Seed makes another run; the same seed gives the same one. Two runs that differ in
	// the algorithm alone have the same calls at the same times, and as long as servers
	// are alike each call has the same service time: results can be compared in pairs.
	Seed uint64
	// Clients is how many callers there are, each with statistics of its own; a call is
	// any one's. 0: 1.
	Clients int

	// Events change the world on the way, in order of time.
	Events []Event
	// Gates makes the gates of each endpoint, as in [balance.ClusterConfig]; nil: none.
	Gates func(*balance.Endpoint) []enmesh.Gate
	// Prepare may describe call number n, from 0, before it is picked for: path,
	// header, affinity key. The Call is one of its client's, used again for the next;
	// what Prepare sets it sets each time. nil: none.
	Prepare func(c *enmesh.Call, n int)
}

// complete fills in the defaults of a copy, and refuses what makes no sense.
func (cfg Config) complete() (Config, error) {
	if len(cfg.Servers) == 0 {
		return cfg, errors.New("sim: Servers is empty")
	}
	if !(cfg.Load >= 0 && cfg.Rate >= 0) || cfg.Calls < 0 || cfg.Clients < 0 {
		return cfg, errors.New("sim: Load, Rate, Calls and Clients must not be negative")
	}
	cfg.Servers = slices.Clone(cfg.Servers)
	var capacity float64
	for i := range cfg.Servers {
		if err := cfg.Servers[i].complete(i); err != nil {
			return cfg, err
		}
		capacity += cfg.Servers[i].capacity()
	}
	if cfg.Rate == 0 {
		cfg.Rate = capacity * cmp.Or(cfg.Load, 0.5)
	}
	cfg.Calls = cmp.Or(cfg.Calls, 100_000)
	cfg.Clients = cmp.Or(cfg.Clients, 1)
	cfg.Events = slices.Clone(cfg.Events)
	for i, ev := range cfg.Events {
		if ev.At < 0 || ev.Every < 0 || ev.Do == nil {
			return cfg, fmt.Errorf("sim: event %d: At and Every must not be negative, Do must be given", i)
		}
	}
	return cfg, nil
}

// Event is something that happens to the world.
type Event struct {
	At    time.Duration // since the start
	Every time.Duration // how often again afterwards, until the last call has come; 0: never
	Do    func(*World)
}
