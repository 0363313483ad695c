// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Family is which kind of addresses a host's name is looked up for.
type Family uint8

// Any: both, each address an endpoint of its own. IPv4 and IPv6: one kind.
const (
	Any Family = iota
	IPv4
	IPv6
)

// Config has the knobs of a Resolver. The zero value asks the system's servers.
type Config struct {
	// Servers are host:port, or a host for port 53, asked in their order. None: those
	// in /etc/resolv.conf, which is read again for every look-up, else 127.0.0.1.
	Servers []string
	// Query makes the name to look up from the service's: see the package. nil: it is
	// the service's name itself.
	Query func(service string) string
	// Port is for names without one. 0: such names are refused.
	Port uint16
	// Search are domains that a host's name without a dot is tried in, in their order
	// and before the name alone.
	Search []string
	// Family is which addresses are looked up.
	Family Family
	// MinTTL is the least time between two look-ups. 0 means 5 s.
	MinTTL time.Duration
	// MaxTTL is the most. 0 means 5 min.
	MaxTTL time.Duration
	// Jitter is the share by which the time between two look-ups is at random
	// longer, at most 1. 0 means 0.1, negative means none.
	Jitter float64
	// Timeout is how long one server is waited for. 0 means 2 s.
	Timeout time.Duration
	// Dial connects to a server; network is "udp" or "tcp". nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c *Config) complete() error {
	for _, d := range []struct {
		at   *time.Duration
		zero time.Duration
	}{{&c.MinTTL, 5 * time.Second}, {&c.MaxTTL, 5 * time.Minute}, {&c.Timeout, 2 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.zero
		}
	}
	if c.Jitter == 0 {
		c.Jitter = 0.1
	}
	if c.Query == nil {
		c.Query = func(service string) string { return service }
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	switch {
	case c.MinTTL < 0 || c.MaxTTL < c.MinTTL:
		return fmt.Errorf("dns: MinTTL is %v and MaxTTL %v; they must be positive and rise", c.MinTTL, c.MaxTTL)
	case c.Timeout < 0:
		return fmt.Errorf("dns: Timeout is %v; it must be positive", c.Timeout)
	case !(c.Jitter <= 1):
		return fmt.Errorf("dns: Jitter is %v; it is at most 1", c.Jitter)
	case c.Family > IPv6:
		return fmt.Errorf("dns: Family is %d; there are Any, IPv4 and IPv6", c.Family)
	}
	return c.completeServers()
}

// completeServers gives servers their port.
func (c *Config) completeServers() error {
	c.Servers = slices.Clone(c.Servers)
	for i, s := range c.Servers {
		server, err := serverAddress(s)
		if err != nil {
			return err
		}
		c.Servers[i] = server
	}
	return nil
}

// serverAddress is host:port of a server given with or without its port.
func serverAddress(s string) (string, error) {
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s, nil
	}
	host := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if host == "" || strings.ContainsAny(host, "[] /") {
		return "", fmt.Errorf("dns: server %q is not a host or host:port", s)
	}
	return net.JoinHostPort(host, "53"), nil
}
