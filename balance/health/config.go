// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// Config says how often endpoints are checked, and what is made of it. It is
// comparable. A field that is 0 or negative has its default; only Jitter tells the two
// apart.
type Config struct {
	// Interval is from the start of one check of an endpoint to that of the next. 10 s.
	Interval time.Duration
	// UnhealthyInterval is the same, for an endpoint that is unhealthy. Interval.
	UnhealthyInterval time.Duration
	// NoTrafficInterval is the same, as long as no call to the cluster has ended in this
	// process. Interval; Envoy takes 60 s.
	NoTrafficInterval time.Duration
	// Jitter is what is added to each of these, at most and at random. A tenth of
	// Interval; none when negative.
	Jitter time.Duration
	// FirstWithin is in what time a new endpoint is checked for the first time: when in
	// it, is left to chance. 1 s, but never more than Interval.
	FirstWithin time.Duration

	// Timeout is how long a check may take. 1 s.
	Timeout time.Duration
	// Unhealthy is how many failures in a row make a healthy endpoint unhealthy. 3. The
	// first check of an endpoint decides by itself.
	Unhealthy uint32
	// Healthy is how many successes in a row make an unhealthy endpoint healthy. 2.
	Healthy uint32

	// Concurrent is how many checks of the cluster run at once, at most. 32.
	Concurrent int
}

// normal has the defaults filled in.
func (c Config) normal() Config {
	c.Interval = or(c.Interval, 10*time.Second)
	c.UnhealthyInterval = or(c.UnhealthyInterval, c.Interval)
	c.NoTrafficInterval = or(c.NoTrafficInterval, c.Interval)
	c.FirstWithin = min(or(c.FirstWithin, time.Second), c.Interval)
	c.Timeout = or(c.Timeout, time.Second)
	c.Unhealthy, c.Healthy = or(c.Unhealthy, 3), or(c.Healthy, 2)
	c.Concurrent = or(c.Concurrent, 32)
	if c.Jitter == 0 {
		c.Jitter = c.Interval / 10
	}
	c.Jitter = max(c.Jitter, 0)
	return c
}

func or[T int | uint32 | time.Duration](n, otherwise T) T {
	if n <= 0 {
		return otherwise
	}
	return n
}
