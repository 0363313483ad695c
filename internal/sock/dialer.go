// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sock

import (
	"net"
	"time"
)

// Config says how connections are made and watched.
type Config struct {
	Timeout  time.Duration // of one address; 0: none
	Idle     time.Duration // silence before the first probe; less than 0: no probes
	Interval time.Duration // between probes
	Probes   int           // unanswered ones until the connection is given up
}

// Dialer is a dialer of cfg.
func Dialer(cfg Config) *net.Dialer {
	d := &net.Dialer{Timeout: cfg.Timeout}
	if cfg.Idle < 0 {
		d.KeepAlive = -1
		return d
	}
	d.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: cfg.Idle, Interval: cfg.Interval, Count: cfg.Probes}
	return d
}
