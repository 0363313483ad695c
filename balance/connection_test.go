// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

func TestConnectionConfig_refusesWhatMakesNoSense(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg balance.ConnectionConfig
		ok  bool
	}{
		"zero":                   {balance.ConnectionConfig{}, true},
		"everything":             {balance.ConnectionConfig{MaxConnections: 2, MaxPending: 1, MaxRequests: 3, MaxRequestsPerConnection: 4, MaxStreams: 5, Protocol: balance.HTTP2, MaxAge: time.Minute, Prewarm: 2}, true},
		"switched off":           {balance.ConnectionConfig{ConnectTimeout: -1, IdleTimeout: -1, AgeJitter: -1, PingInterval: -1, ProbeIdle: -1}, true},
		"negative connections":   {balance.ConnectionConfig{MaxConnections: -1}, false},
		"negative pending":       {balance.ConnectionConfig{MaxPending: -1}, false},
		"negative requests":      {balance.ConnectionConfig{MaxRequests: -1}, false},
		"negative per conn":      {balance.ConnectionConfig{MaxRequestsPerConnection: -1}, false},
		"negative streams":       {balance.ConnectionConfig{MaxStreams: -1}, false},
		"negative prewarm":       {balance.ConnectionConfig{Prewarm: -1}, false},
		"negative probes":        {balance.ConnectionConfig{Probes: -1}, false},
		"negative age":           {balance.ConnectionConfig{MaxAge: -1}, false},
		"negative ping timeout":  {balance.ConnectionConfig{PingTimeout: -1}, false},
		"unknown protocol":       {balance.ConnectionConfig{Protocol: 9}, false},
		"jitter above one":       {balance.ConnectionConfig{AgeJitter: 1.1}, false},
		"jitter not a number":    {balance.ConnectionConfig{AgeJitter: math.NaN()}, false},
		"prewarm above its cap":  {balance.ConnectionConfig{MaxConnections: 1, Prewarm: 2}, false},
		"prewarm without a cap":  {balance.ConnectionConfig{Prewarm: 2}, true},
		"interval less than 0":   {balance.ConnectionConfig{ProbeInterval: -time.Second}, false},
		"a jitter of everything": {balance.ConnectionConfig{AgeJitter: 1}, true},
	} {
		if err := tt.cfg.Validate(); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok %v", name, err, tt.ok)
		}
	}
}

func TestConnectionConfig_lifetime(t *testing.T) {
	for _, tt := range []struct {
		age    time.Duration
		jitter float64
		random float64
		want   time.Duration
	}{
		{0, 0, 0.5, 0},
		{time.Minute, 0, 0, time.Minute},
		{time.Minute, 0, 0.5, 57 * time.Second},
		{time.Minute, 0.5, 0.5, 45 * time.Second},
		{time.Minute, -1, 0.5, time.Minute},
		{time.Minute, 1, 0.9999999999999999, 1},
	} {
		cfg := balance.ConnectionConfig{MaxAge: tt.age, AgeJitter: tt.jitter}
		if got := cfg.Lifetime(tt.random); got < tt.want-time.Microsecond || got > tt.want+time.Microsecond {
			t.Errorf("%v, jitter %v, random %v: got %v, want %v", tt.age, tt.jitter, tt.random, got, tt.want)
		}
	}
}

func TestConnectionConfig_travelsWithTheSet(t *testing.T) {
	cfg := balance.ConnectionConfig{MaxAge: time.Hour}
	c := balance.NewCluster(balance.ClusterConfig{Connection: cfg})
	c.Apply(told(1, nil))
	if got := c.Set().Connection; got != cfg {
		t.Errorf("got %+v, want %+v", got, cfg)
	}
	cfg.MaxAge = time.Minute
	c.Configure(balance.ClusterConfig{Connection: cfg})
	if got := c.Set().Connection; got != cfg {
		t.Errorf("configured anew: got %+v, want %+v", got, cfg)
	}
}

// admitted takes n admissions, or says how many there were before the refusal.
func admitted(t *testing.T, e *balance.Endpoint, n int) ([]*balance.Admission, error) {
	t.Helper()
	var taken []*balance.Admission
	for range n {
		a := new(balance.Admission)
		if err := e.Admit(context.Background(), nil, enmesh.Now(), a); err != nil {
			return taken, err
		}
		taken = append(taken, a)
	}
	return taken, nil
}

func TestMaxRequests_holdsPerEndpointAndOverReloads(t *testing.T) {
	of := func(n int) balance.ClusterConfig {
		return balance.ClusterConfig{Connection: balance.ConnectionConfig{MaxRequests: n}}
	}
	c := balance.NewCluster(of(2))
	c.Apply(told(2, nil))
	e := c.Set().Endpoints[0]
	taken, err := admitted(t, e, 3)
	if len(taken) != 2 || !errors.Is(err, balance.ErrOverflow) {
		t.Fatalf("got %d admitted and %v, want 2 and ErrOverflow", len(taken), err)
	}
	if got := e.InFlight(); got != 2 {
		t.Errorf("in flight: got %d, want 2", got)
	}
	if other, err := admitted(t, c.Set().Endpoints[1], 2); err != nil || len(other) != 2 {
		t.Errorf("the other endpoint: got %d admitted and %v, want 2", len(other), err)
	}
	c.Configure(of(3))
	more, err := admitted(t, e, 2)
	if len(more) != 1 || !errors.Is(err, balance.ErrOverflow) {
		t.Errorf("with one more allowed: got %d admitted and %v, want 1 and ErrOverflow", len(more), err)
	}
	for _, a := range append(taken, more...) {
		a.Release(enmesh.Result{})
	}
	if again, err := admitted(t, e, 3); err != nil {
		t.Errorf("after all have ended: got %d admitted and %v, want 3", len(again), err)
	}
	c.Configure(of(0))
	if _, err := admitted(t, e, 100); err != nil {
		t.Errorf("without a limit: got %v", err)
	}
}

func TestMaxRequests_neverMoreAtOnce(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{Connection: balance.ConnectionConfig{MaxRequests: 3}})
	c.Apply(told(1, nil))
	e := c.Set().Endpoints[0]
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				var a balance.Admission
				if e.Admit(context.Background(), nil, enmesh.Now(), &a) != nil {
					continue
				}
				if got := e.InFlight(); got > 3 {
					t.Errorf("in flight: got %d, want at most 3", got)
				}
				a.Release(enmesh.Result{})
			}
		})
	}
	all.Wait()
	if got := e.InFlight(); got != 0 {
		t.Errorf("in flight after all: got %d, want 0", got)
	}
}

func TestMaxRequests_costsNoAllocation(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{Connection: balance.ConnectionConfig{MaxRequests: 3}})
	c.Apply(told(1, nil))
	e := c.Set().Endpoints[0]
	got := testing.AllocsPerRun(100, func() {
		var a balance.Admission
		if err := e.Admit(context.Background(), nil, 1, &a); err == nil {
			a.Release(enmesh.Result{})
		}
	})
	if got != 0 {
		t.Errorf("allocations: got %v, want 0", got)
	}
}
