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
	// Lead is how long a new root is trusted before it signs, so that everybody
	// knows it by then. 0 means 10 s, which is ample for handshakes under way;
	// identities in files want the time it takes to write all of them again.
	Lead time.Duration
	// Overlap is how long an old root stays trusted after it signed last. 0 means
	// TTL, after which no certificate it signed is good any more. What is shorter
	// cuts certificates off before their end.
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
	if c.Lead == 0 {
		c.Lead = 10 * time.Second
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
	case c.Lead < 0 || c.Overlap < 0:
		return fmt.Errorf("ca: Lead is %v and Overlap %v; neither may be negative", c.Lead, c.Overlap)
	}
	return nil
}
