// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"fmt"
	"time"
)

// Config has the knobs of a [Development] authority. The zero value is good.
type Config struct {
	// TTL is how long a certificate lives; a Source renews it at about half of
	// that. 0 means 1 h; less than 1 s is refused.
	TTL time.Duration
	// RootTTL is how long a root lives. 0 means a year; it must be above TTL. A
	// certificate never outlives the root that signed it.
	RootTTL time.Duration
	// Overlap is how long an old root stays trusted after RotateRoot. 0 means TTL,
	// after which no certificate it signed is good any more; less than 0 is
	// refused. What is shorter than TTL cuts certificates off before their end.
	Overlap time.Duration
	// Now replaces time.Now.
	Now func() time.Time
}

// complete fills in defaults and refuses what makes no sense.
func (c *Config) complete() error {
	if c.TTL == 0 {
		c.TTL = time.Hour
	}
	if c.RootTTL == 0 {
		c.RootTTL = 365 * 24 * time.Hour
	}
	if c.Overlap == 0 {
		c.Overlap = c.TTL
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.TTL < time.Second:
		return fmt.Errorf("ca: TTL is %v; at least 1s is required", c.TTL)
	case c.RootTTL <= c.TTL:
		return fmt.Errorf("ca: RootTTL is %v; it must be above TTL, %v", c.RootTTL, c.TTL)
	case c.Overlap < 0:
		return fmt.Errorf("ca: Overlap is %v; it must not be negative", c.Overlap)
	}
	return nil
}
