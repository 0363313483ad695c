// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// TestScenarioO10_bodyThatCannotBeSentAgain: a PUT is answered 503, or its connection is cut. Its body is
// sent again when it has a declared length of at most 64 KiB; one of 1 MiB, or of unknown length, is sent
// once, and the caller gets the far side's answer, or an error that says what it is.
func TestScenarioO10_bodyThatCannotBeSentAgain(t *testing.T) {
	ledger.Baseline(t)
	on, err := retry.ParseOn("5xx,reset,connect-failure")
	if err != nil {
		t.Fatal(err)
	}
	again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	const limit = 64 << 10
	for _, tt := range []struct {
		name     string
		size     int
		declared bool
		cut      bool
		attempts int64
	}{
		{"at the limit", limit, true, false, 3},
		{"at the limit, cut", limit, true, true, 3},
		{"beyond the limit", limit + 1, true, false, 1},
		{"1 MiB", 1 << 20, true, false, 1},
		{"1 MiB, cut", 1 << 20, true, true, 1},
		{"1 MiB, streaming", 1 << 20, false, false, 1},
		{"1 MiB, streaming, cut", 1 << 20, false, true, 1},
		{"one byte, streaming", 1, false, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var attempts, bytes atomic.Int64
			l := loopback(t)
			server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts.Add(1)
				n, _ := io.Copy(io.Discard, r.Body)
				bytes.Add(n)
				if tt.cut {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, "not now")
			})}
			done := make(chan struct{})
			go func() { defer close(done); _ = server.Serve(l) }()
			defer func() { _ = server.Close(); <-done }()
			w := newTown(t, balance.ConnectionConfig{}, l.Addr().String())
			w.chain, w.resends = []enmesh.Middleware{again}, true
			body := struct{ io.Reader }{strings.NewReader(strings.Repeat("x", tt.size))}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+shop+"/", body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.declared {
				req.ContentLength = int64(tt.size)
			}
			resp, err := w.client(false).Do(req)
			var text []byte
			if err == nil {
				text, _ = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if attempts.Load() != tt.attempts || bytes.Load() != tt.attempts*int64(tt.size) {
				t.Errorf("%d attempts with %d bytes, want %d of %d", attempts.Load(), bytes.Load(), tt.attempts, tt.size)
			}
			var typed *enmesh.Error
			switch {
			case !tt.cut && (err != nil || resp.StatusCode != http.StatusServiceUnavailable || string(text) != "not now"):
				t.Errorf("got %v, %q, want the far side's answer", err, text)
			case tt.cut && (!errors.As(err, &typed) || !typed.Flag.Has(enmesh.FlagConnectionEnded) || typed.Outcome != enmesh.Failure):
				t.Errorf("got %v, want an error of the connection", err)
			}
		})
	}
}
