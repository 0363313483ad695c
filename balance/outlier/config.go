// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import "time"

// Config says what is an outlier, and for how long. It is comparable. The numbers of
// errors are off when 0; every other field has its default when it is 0 or negative.
type Config struct {
	Consecutive5xx     uint32 // errors in a row that eject; Istio's consecutive5xxErrors
	ConsecutiveGateway uint32 // 502, 503 and 504 in a row; Istio's consecutiveGatewayErrors

	// Interval of health, after an ejection, takes one ejection off the count. 10 s.
	Interval time.Duration
	// BaseEjection times the count of ejections is how long one lasts. 30 s.
	BaseEjection time.Duration
	// MaxEjection bounds that; it is never below BaseEjection. 300 s.
	MaxEjection time.Duration
	// MaxEjectionPercent of the cluster are ejected at most, but always one may be. 10;
	// above 100 it is 100.
	MaxEjectionPercent uint32
	// MinHealthPercent of the cluster stay: no ejection goes below it, not even the first.
	// 0 is no such bound; above 100 it is 100, and nothing is ejected.
	MinHealthPercent uint32
}

// Default is Istio's configuration for a rule with an empty outlierDetection block:
// 5 errors in a row, the rest as documented at [Config].
func Default() Config { return Config{Consecutive5xx: 5}.normal() }

// normal has the defaults filled in.
func (c Config) normal() Config {
	orElse := func(d, otherwise time.Duration) time.Duration {
		if d <= 0 {
			return otherwise
		}
		return d
	}
	c.Interval = orElse(c.Interval, 10*time.Second)
	c.BaseEjection = orElse(c.BaseEjection, 30*time.Second)
	c.MaxEjection = max(orElse(c.MaxEjection, 300*time.Second), c.BaseEjection)
	if c.MaxEjectionPercent == 0 {
		c.MaxEjectionPercent = 10
	}
	c.MaxEjectionPercent = min(c.MaxEjectionPercent, 100)
	c.MinHealthPercent = min(c.MinHealthPercent, 100)
	return c
}

// ejection is how long the nth ejection in a row lasts.
func (c Config) ejection(n int64) time.Duration {
	if n > int64(c.MaxEjection/c.BaseEjection) {
		return c.MaxEjection
	}
	return time.Duration(n) * c.BaseEjection
}

// allowed is how many of n endpoints may be ejected at once.
func (c Config) allowed(n int) int {
	most := max(1, n*int(c.MaxEjectionPercent)/100)
	stay := (n*int(c.MinHealthPercent) + 99) / 100
	return min(most, n-stay)
}
