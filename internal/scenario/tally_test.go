// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"maps"
	"sync"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/telemetry"
)

// tally counts attempts that have ended, by the address that they went to.
type tally struct {
	mu  sync.Mutex
	all map[string]int
}

// Calls counts nothing.
func (t *tally) Calls(telemetry.Scope) telemetry.Observer { return nil }

// Attempts counts those of the client.
func (t *tally) Attempts(telemetry.Scope) telemetry.Observer {
	return telemetry.ObserverFunc(func(r enmesh.Result) {
		e, ok := r.Call.Endpoint.(*balance.Endpoint)
		if !ok {
			return
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.all == nil {
			t.all = map[string]int{}
		}
		t.all[e.Addr()]++
	})
}

// now is the counts so far.
func (t *tally) now() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.all)
}

// since is the share of an address in the attempts since before, and their number.
func (t *tally) since(before map[string]int, addr string) (share float64, n int) {
	now := t.now()
	for a, c := range now {
		n += c - before[a]
	}
	if n == 0 {
		return 0, 0
	}
	return float64(now[addr]-before[addr]) / float64(n), n
}
