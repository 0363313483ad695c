// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/load"
)

func TestLoad_keepsItsRate(t *testing.T) {
	var users atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("End-User") == "luciana" {
			users.Add(1)
		}
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	l := load.New(load.Config{URL: s.URL, RPS: 200, User: "luciana"})
	l.Run(ctx)
	got := l.Stats()
	if got.Sent < 50 || got.Sent > 101 || got.Failed != 0 || got.Skipped != 0 {
		t.Errorf("in half a second at 200 a second: %+v, want about 100 sent, none failed or skipped", got)
	}
	if users.Load() != int64(got.Sent) {
		t.Errorf("%d of %d requests had the user", users.Load(), got.Sent)
	}
}

func TestLoad_startsNoMoreThanTheBound(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	l := load.New(load.Config{URL: s.URL, RPS: 1000, MaxInFlight: 3})
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	for l.Stats().Skipped < 10 {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("nothing was skipped")
		}
	}
	if got := l.Stats().Sent; got != 3 {
		t.Errorf("%d sent with 3 slots, want 3", got)
	}
	cancel()
	close(release)
	<-ended
	if got := l.Stats().Failed; got != 0 {
		t.Errorf("%d of those in flight at the end failed, want 0", got)
	}
}

func TestLoad_countsFailures(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	l := load.New(load.Config{URL: s.URL, RPS: 100})
	l.Run(ctx)
	if got := l.Stats(); got.Sent == 0 || got.Failed != got.Sent {
		t.Errorf("against 404s: %+v, want all sent to have failed", got)
	}
}

func TestLoad_noneWaitsForTheEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	l := load.New(load.Config{})
	l.Run(ctx)
	if ctx.Err() == nil || l.Stats() != (load.Stats{}) {
		t.Errorf("without a rate: ended early or sent something: %+v", l.Stats())
	}
}
