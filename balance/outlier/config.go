// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import "time"

// Config says what is an outlier, and for how long. It is comparable. The numbers of
// errors in a row are off when 0; every other field has its default when it is 0 or
// negative. [Default] is Istio's configuration, [Envoy] is Envoy's.
type Config struct {
	Consecutive5xx     uint32 // errors in a row that eject; Istio's consecutive5xxErrors
	ConsecutiveGateway uint32 // 502, 503 and 504 in a row; Istio's consecutiveGatewayErrors

	// SplitLocalOrigin tells what failed on the way (a connect that failed, a connection
	// that broke, a timeout) apart from what the endpoint answered: it counts in a row of
	// its own, and its rates are compared apart. Without it, it counts as the 5xx that
	// stands for it. Istio's splitExternalLocalOriginErrors.
	SplitLocalOrigin bool
	// ConsecutiveLocalOrigin is how many of those in a row eject, with SplitLocalOrigin
	// only. Istio's consecutiveLocalOriginFailures.
	ConsecutiveLocalOrigin uint32

	// Codes are the statuses that are errors; none are the 5xx. Istio's
	// outlierDetectionHttpErrorCodes.
	Codes Codes

	// SuccessRate compares endpoints with each other at every interval.
	SuccessRate SuccessRate
	// FailurePercentage holds each against a bound at every interval.
	FailurePercentage FailurePercentage

	// Interval is how often rates are looked at; an interval of health, after an
	// ejection, takes one ejection off the count. 10 s.
	Interval time.Duration
	// BaseEjection times the count of ejections is how long one lasts. 30 s.
	BaseEjection time.Duration
	// MaxEjection bounds that; it is never below BaseEjection. 300 s.
	MaxEjection time.Duration
	// EjectionJitter is how much longer, at most and at random, an ejection lasts, so
	// that endpoints ejected at once do not come back at once. 0: no longer.
	EjectionJitter time.Duration
	// MaxEjectionPercent of the cluster are ejected at most, but always one may be. 10;
	// above 100 it is 100.
	MaxEjectionPercent uint32
}

// SuccessRate ejects an endpoint whose share of successes, in an interval, is below
// the mean of all by more than so many standard deviations: Envoy's success rate
// outlier detection. It is off unless Enabled.
type SuccessRate struct {
	Enabled  bool
	MinHosts uint32 // how many endpoints must have had Volume calls, or none is judged. 5
	Volume   uint32 // calls in the interval, below which an endpoint is not judged. 100
	Factor   uint32 // standard deviations, in thousandths. 1900
}

// FailurePercentage ejects an endpoint whose share of failures, in an interval, is
// Threshold or more: Envoy's failure percentage outlier detection. It is off unless
// Enabled.
type FailurePercentage struct {
	Enabled   bool
	Threshold uint32 // percent. 85; above 100 nothing is ejected
	MinHosts  uint32 // how many endpoints must have had Volume calls, or none is judged. 5
	Volume    uint32 // calls in the interval, below which an endpoint is not judged. 50
}

// Default is Istio's configuration for a rule with an empty outlierDetection block:
// 5 errors in a row, or 5 of local origin where these are split; rates are not
// compared. The rest is as documented at [Config].
func Default() Config { return Config{Consecutive5xx: 5, ConsecutiveLocalOrigin: 5}.normal() }

// Envoy is the configuration of an Envoy without Istio whose outlier_detection is
// empty: as Default, and success rates are compared.
func Envoy() Config {
	return Config{Consecutive5xx: 5, ConsecutiveLocalOrigin: 5, SuccessRate: SuccessRate{Enabled: true}}.normal()
}

// normal has the defaults filled in.
func (c Config) normal() Config {
	c.Interval = timeOr(c.Interval, 10*time.Second)
	c.BaseEjection = timeOr(c.BaseEjection, 30*time.Second)
	c.MaxEjection = max(timeOr(c.MaxEjection, 300*time.Second), c.BaseEjection)
	c.EjectionJitter = max(c.EjectionJitter, 0)
	c.MaxEjectionPercent = min(or(c.MaxEjectionPercent, 10), 100)
	s, f := &c.SuccessRate, &c.FailurePercentage
	s.MinHosts, s.Volume, s.Factor = or(s.MinHosts, 5), or(s.Volume, 100), or(s.Factor, 1900)
	f.MinHosts, f.Volume, f.Threshold = or(f.MinHosts, 5), or(f.Volume, 50), or(f.Threshold, 85)
	return c
}

func timeOr(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func or(n, otherwise uint32) uint32 {
	if n == 0 {
		return otherwise
	}
	return n
}

// rated reports whether rates are looked at.
func (c *Config) rated() bool { return c.SuccessRate.Enabled || c.FailurePercentage.Enabled }

// ejection is how long the nth ejection in a row lasts, without jitter.
func (c *Config) ejection(n int64) time.Duration {
	if n > int64(c.MaxEjection/c.BaseEjection) {
		return c.MaxEjection
	}
	return time.Duration(n) * c.BaseEjection
}

// allowed is how many of n endpoints may be ejected at once.
func (c *Config) allowed(n int) int { return max(1, n*int(c.MaxEjectionPercent)/100) }
