// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"net"
	"sync"
	"time"
)

// visits are the times at which something happened at a host.
type visits struct {
	mu  sync.Mutex
	all []time.Time
}

func (v *visits) note() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, time.Now())
}

// between is how often it happened, and the shortest time between two of them (0 where
// there are not two).
func (v *visits) between(from, to time.Time) (n int, least time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var last time.Time
	for _, at := range v.all {
		if at.Before(from) || !at.Before(to) {
			continue
		}
		if gap := at.Sub(last); n > 0 && (least == 0 || gap < least) {
			least = gap
		}
		n, last = n+1, at
	}
	return n, least
}

// dials are the connections that a client begins to make, by address.
type dials struct {
	mu sync.Mutex
	to map[string]*visits
}

func (d *dials) of(addr string) *visits {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to == nil {
		d.to = map[string]*visits{}
	}
	if d.to[addr] == nil {
		d.to[addr] = new(visits)
	}
	return d.to[addr]
}

// dial connects and notes that.
func (d *dials) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.of(addr).note()
	return new(net.Dialer).DialContext(ctx, network, addr)
}
