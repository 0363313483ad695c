// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestIdleOf(t *testing.T) {
	for told, want := range map[string]time.Duration{
		"timeout=5":          3750 * time.Millisecond,
		"timeout=5, max=100": 3750 * time.Millisecond,
		"max=9,Timeout=4":    3 * time.Second,
		"timeout=0":          0,
		"timeout=-1":         0,
		"timeout=soon":       0,
		"timeout=70000":      0,
		"":                   0,
		"max=5":              0,
	} {
		if got := meshhttp.IdleOf(told); got != want {
			t.Errorf("%q: got %v, want %v", told, got, want)
		}
	}
}

func FuzzIdleOf(f *testing.F) {
	f.Add("timeout=5, max=100")
	f.Add("TIMEOUT=1,timeout=2")
	f.Add(",=,timeout")
	f.Fuzz(func(t *testing.T, told string) {
		if got := meshhttp.IdleOf(told); got < 0 || got > 1<<16*time.Second {
			t.Errorf("%q: got %v", told, got)
		}
	})
}

// TestKeepAlive_clientClosesFirst: a server that says how long it keeps a connection is
// believed, whatever policy says, so that it is not the one to close.
func TestKeepAlive_clientClosesFirst(t *testing.T) {
	for name, cfg := range map[string]balance.ConnectionConfig{"free": {}, "bounded": {MaxConnections: 3}, "for ever": {IdleTimeout: -1}} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, wires[0], cfg, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/says" {
					w.Header().Set("Keep-Alive", "timeout=1")
				}
				_, _ = io.WriteString(w, "done")
			}))
			_, _ = get(t, s.client, "http://svc/says")
			_, _ = get(t, s.client, "http://svc/")
			said := time.Now()
			eventually(t, "nothing is kept", func() bool { return s.open.Load() == 0 })
			if took := time.Since(said); took > time.Second {
				t.Errorf("an idle connection was kept for %v, want 750 ms", took)
			}
			for range 3 {
				_, _ = get(t, s.client, "http://svc/says")
			}
			if got := s.made.Load(); got > 4 {
				t.Errorf("connections: got %d, want one more for being told, and one more for the pause", got)
			}
		})
	}
}
