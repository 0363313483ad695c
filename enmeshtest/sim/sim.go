// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// Run simulates in a testing/synctest bubble, whose clock follows: whatever reads the
// clock by itself, such as ejection, gates, or a goroutine that an [Event] starts, sees the
// simulation's time. A configuration that makes no sense fails the test. It takes
// several times as long as Simulate. t must not be in a bubble yet.
func Run(t *testing.T, cfg Config) *Result {
	t.Helper()
	cfg, err := cfg.complete()
	if err != nil {
		t.Fatal(err)
	}
	var r *Result
	synctest.Test(t, func(*testing.T) { r = simulate(cfg, time.Sleep) }) //nolint:forbidigo // in a bubble, where it takes no time
	return r
}

// Simulate is Run without a test and without a bubble: the process's clock stands
// still, so to speak. That makes no difference to algorithms, which take the time from
// the call, nor to slow start, which asks the simulation; but ejection and drains would
// not end. Its error says what is wrong with the configuration.
func Simulate(cfg Config) (*Result, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return simulate(cfg, func(time.Duration) {}), nil
}

func simulate(cfg Config, wait func(time.Duration)) *Result {
	e := newEngine(cfg, wait)
	e.run()
	r := &Result{records: e.records}
	for _, s := range e.servers {
		r.weights = append(r.weights, float64(max(s.Info.Weight, 1)))
	}
	return r
}
