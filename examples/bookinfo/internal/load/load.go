// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package load asks for a page at a steady rate.
//
// The loop is open: requests start by the clock and not when earlier ones have been
// answered, so that a slow service does not slow its own load down and look better
// than it is. What would be more in flight than the bound is not sent, and counted.
package load

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// The bounds of a load.
const (
	DefaultMaxInFlight = 512
	timeout            = 30 * time.Second // of one request
	grace              = 5 * time.Second  // for what is in flight at the end
)

// Config of a load.
type Config struct {
	URL         string  // of the page
	RPS         float64 // requests a second; 0 or less: none
	User        string  // sent as the header end-user; "" is nobody
	MaxInFlight int     // 0 or less: 512
}

// Stats is what a load has done so far.
type Stats struct {
	Sent    uint64
	Failed  uint64 // no answer, or another status than 200
	Skipped uint64 // not sent, since too many were in flight
}

// Load is a load that can run once.
type Load struct {
	cfg                   Config
	client                *http.Client
	slots                 chan struct{}
	sent, failed, skipped atomic.Uint64
}

// New makes a Load.
func New(cfg Config) *Load {
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = DefaultMaxInFlight
	}
	transport := &http.Transport{MaxIdleConns: cfg.MaxInFlight, MaxIdleConnsPerHost: cfg.MaxInFlight}
	return &Load{
		cfg:    cfg,
		client: &http.Client{Transport: transport, Timeout: timeout},
		slots:  make(chan struct{}, cfg.MaxInFlight),
	}
}

// Stats is what was done so far.
func (l *Load) Stats() Stats {
	return Stats{Sent: l.sent.Load(), Failed: l.failed.Load(), Skipped: l.skipped.Load()}
}

// Run sends until ctx ends, and returns when what was in flight has been answered, or
// five seconds after.
func (l *Load) Run(ctx context.Context) {
	defer l.client.CloseIdleConnections()
	if l.cfg.RPS <= 0 {
		<-ctx.Done()
		return
	}
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	l.pace(ctx, func() { wg.Go(func() { l.one(requests) }) })
	late := time.AfterFunc(grace, cancel)
	wg.Wait()
	late.Stop()
}

// pace calls send when each request is due, for as long as ctx lives.
func (l *Load) pace(ctx context.Context, send func()) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(float64(n) / l.cfg.RPS * float64(time.Second)))
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case l.slots <- struct{}{}:
			send()
		default:
			l.skipped.Add(1)
		}
	}
}

// one sends a request and reads its answer.
func (l *Load) one(ctx context.Context) {
	defer func() { <-l.slots }()
	l.sent.Add(1)
	if !l.get(ctx) {
		l.failed.Add(1)
	}
}

func (l *Load) get(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(user.With(ctx, l.cfg.User), http.MethodGet, l.cfg.URL, http.NoBody)
	if err != nil {
		return false
	}
	user.Set(req)
	res, err := l.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}
