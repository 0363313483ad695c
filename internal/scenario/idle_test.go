// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestScenarioN14_idleConnectionIsClosedAsAPostIsWritten: callers pause between their calls
// for about as long as an idle connection is kept. Where the client closes first, as it
// does by default, no call fails. Where the server does, just as a request is
// written, calls fail that had bytes written: nobody can know what became of those. Either
// way none is served twice, and none fails that was not sent, though its body could not
// be had a second time.
func TestScenarioN14_idleConnectionIsClosedAsAPostIsWritten(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg   balance.ConnectionConfig
		keeps time.Duration // the server's idle timeout
		most  float64       // the share of calls that may fail
	}{
		"the client closes first":          {balance.ConnectionConfig{IdleTimeout: 150 * time.Millisecond}, time.Second, 0.0001},
		"the client closes first, bounded": {balance.ConnectionConfig{IdleTimeout: 150 * time.Millisecond, MaxConnections: 500}, time.Second, 0.0001},
		// Pauses are drawn from the 2 ms around the server's timeout, and those that are longer
		// or shorter by more than it takes the server's timer to run should not fail: less
		// than half even where both share a busy machine.
		"the server closes":          {balance.ConnectionConfig{IdleTimeout: -1}, 40 * time.Millisecond, 0.5},
		"the server closes, bounded": {balance.ConnectionConfig{IdleTimeout: -1, MaxConnections: 500}, 40 * time.Millisecond, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			ledger.Baseline(t)
			var receipts ledger.Receipts
			listener, done := loopback(t), make(chan struct{})
			server := &http.Server{
				IdleTimeout: tt.keeps, ReadHeaderTimeout: time.Minute,
				Handler: receipts.Handler("a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(w, "done")
				})),
			}
			go func() { defer close(done); _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close(); <-done })
			tt.cfg.ConnectTimeout = 10 * time.Second // a busy machine's accept queue is another matter
			w := newTown(t, tt.cfg, listener.Addr().String())
			client := w.client(false)
			send, once := post(client), postOnce(client)
			around := tt.keeps
			if tt.cfg.IdleTimeout > 0 {
				around = tt.cfg.IdleTimeout
			}
			var unsent atomic.Int64
			calls := 10_000
			if !ledger.Full() {
				calls = 4_000
			}
			failed := race(t, calls, around, func(ctx context.Context, id string) error {
				call := send
				if len(id)%2 == 0 { // some of each caller's
					call = once
				}
				_, err := call(ctx, id)
				switch served := len(receipts.Servers(id)); {
				case served > 1:
					t.Errorf("call %s was served %d times", id, served)
				case err == nil && served != 1:
					t.Errorf("call %s was answered and served %d times", id, served)
				case err != nil && enmesh.ErrorOf(err) != nil && enmesh.ErrorOf(err).Unsent:
					unsent.Add(1)
					t.Errorf("call %s was not sent, and not sent again either: %v", id, err)
				}
				return err
			})
			t.Logf("%d of %d calls failed (%.2f %%), %d of them not sent", failed, calls, 100*float64(failed)/float64(calls), unsent.Load())
			if float64(failed) > tt.most*float64(calls) {
				t.Errorf("%d of %d calls failed, want at most %.2f %%", failed, calls, 100*tt.most)
			}
		})
	}
}

// race makes n calls from callers that pause for around a time in between, and counts the
// failures.
func race(t *testing.T, n int, around time.Duration, call func(ctx context.Context, id string) error) (failed int) {
	t.Helper()
	const callers = 400
	var failures atomic.Int64
	var shown sync.Once
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(14, uint64(i)))
			for j := range n / callers {
				pause := around - time.Millisecond + time.Duration(r.Int64N(int64(2*time.Millisecond)))
				select {
				case <-time.After(pause):
				case <-t.Context().Done():
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := call(ctx, fmt.Sprintf("%d-%d", i, j)); err != nil {
					failures.Add(1)
					shown.Do(func() { t.Logf("the first failure: %v", strings.TrimSpace(err.Error())) })
				}
				cancel()
			}
		})
	}
	all.Wait()
	return int(failures.Load())
}
