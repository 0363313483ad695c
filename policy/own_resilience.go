// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

// RetryBudget is how many more attempts of a service's calls may be made than calls. It
// takes the place of a DestinationRule's retryBudget; in shadow, that stays.
type RetryBudget struct {
	Own
	Config resilience.BudgetConfig
}

type retryBudgetSpec struct {
	clientSpec
	Ratio        float64
	MinPerSecond int64
	Window       time.Duration
}

func (s *retryBudgetSpec) check(c cursor) {
	checkRange(c.field("ratio"), s.Ratio, 0, 10)
	checkRange(c.field("minPerSecond"), s.MinPerSecond, 0, 1_000_000)
	checkRange(c.field("window"), s.Window, 10*time.Millisecond, time.Hour)
}

func (s *retryBudgetSpec) compile(_ *builder, c cursor, own Own) any {
	out := &RetryBudget{own, resilience.BudgetConfig{Ratio: s.Ratio, MinPerSecond: int(s.MinPerSecond), Window: s.Window}}
	if c.field("ratio").isSet() && s.Ratio == 0 {
		out.Config.Ratio = -1 // none, where 0 would be the default
	}
	if c.field("minPerSecond").isSet() && s.MinPerSecond == 0 {
		out.Config.MinPerSecond = -1
	}
	_, err := resilience.NewBudget(out.Config)
	built(c, err)
	return out
}

// CircuitBreaker is when attempts to a service are refused for a while.
type CircuitBreaker struct {
	Own
	PerRoute bool // each route that leads to the service has its own
	Config   breaker.Config
}

type circuitBreakerSpec struct {
	clientSpec
	Per                 string `oneof:"SERVICE ROUTE"`
	ConsecutiveFailures int64
	FailureRatio        float64
	SlowAfter           time.Duration
	SlowRatio           float64
	MinRequests         int64
	Interval            time.Duration
	OpenFor             time.Duration
	Probes              int64
	ProbeTimeout        time.Duration
}

func (s *circuitBreakerSpec) check(c cursor) {
	checkRange(c.field("consecutiveFailures"), s.ConsecutiveFailures, 1, 1_000_000)
	checkAbove(c.field("failureRatio"), s.FailureRatio, 1)
	checkAbove(c.field("slowRatio"), s.SlowRatio, 1)
	checkRange(c.field("minRequests"), s.MinRequests, 1, 1_000_000)
	checkRange(c.field("interval"), s.Interval, 10*time.Millisecond, time.Hour)
	checkRange(c.field("probes"), s.Probes, 1, 1000)
	for name, d := range map[string]time.Duration{"slowAfter": s.SlowAfter, "openFor": s.OpenFor, "probeTimeout": s.ProbeTimeout} {
		checkRange(c.field(name), d, time.Millisecond, time.Hour)
	}
	if at := c.field("slowRatio"); at.isSet() && !c.field("slowAfter").isSet() {
		at.refuse("nothing says which calls are slow: add slowAfter")
	}
	if at := c.field("minRequests"); at.isSet() && !c.field("failureRatio").isSet() && !c.field("slowAfter").isSet() {
		at.refuse("only shares wait for so many calls, and none is set: add failureRatio or slowAfter, or remove it")
	}
}

func (s *circuitBreakerSpec) compile(_ *builder, c cursor, own Own) any {
	out := &CircuitBreaker{own, s.Per == "ROUTE", breaker.Config{
		ConsecutiveFailures: uint32(s.ConsecutiveFailures), FailureRatio: s.FailureRatio,
		SlowAfter: s.SlowAfter, SlowRatio: s.SlowRatio, MinRequests: uint32(s.MinRequests),
		Interval: s.Interval, OpenFor: s.OpenFor, Probes: uint32(s.Probes), ProbeTimeout: s.ProbeTimeout,
		Shadow: own.Shadow,
	}}
	_, err := breaker.New(out.Config)
	built(c, err)
	return out
}

// Throttle is when calls are not sent that the service would refuse.
type Throttle struct {
	Own
	Config throttle.Config
}

type throttleSpec struct {
	clientSpec
	Multiplier   float64
	Window       time.Duration
	Overloaded   string
	MinRequests  int64
	MinPerSecond int64
}

func (s *throttleSpec) check(c cursor) {
	checkRange(c.field("multiplier"), s.Multiplier, 1.1, 100)
	checkRange(c.field("window"), s.Window, 100*time.Millisecond, time.Hour)
	checkEndings(c.field("overloaded"), s.Overloaded)
	checkRange(c.field("minRequests"), s.MinRequests, 1, 1_000_000)
	checkRange(c.field("minPerSecond"), s.MinPerSecond, 1, 1000)
}

func (s *throttleSpec) compile(_ *builder, c cursor, own Own) any {
	out := &Throttle{own, throttle.Config{
		Multiplier: s.Multiplier, Window: s.Window, Overloaded: endings(s.Overloaded),
		MinRequests: uint32(s.MinRequests), MinPerSecond: int(s.MinPerSecond), Shadow: own.Shadow,
	}}
	_, err := throttle.New(out.Config)
	built(c, err)
	return out
}
