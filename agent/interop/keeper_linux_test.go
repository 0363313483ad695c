// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/keeper"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestAgentIsAway_whoBegins has a client begin while there is no agent: where a keeper has the
// agent's socket it is told so in time, and is served within 2 s of the agent's return. A
// client that was there goes on.
func TestAgentIsAway_whoBegins(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p := run(t, func(cfg *agent.Config) {
			cfg.SnapshotDir, cfg.Keeper = t.TempDir(), true
			k, err := keeper.Open(keeper.Config{Socket: cfg.Socket, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- k.Run(ctx) }()
			t.Cleanup(func() {
				cancel()
				if err := errors.Join(<-done, k.Close()); err != nil {
					t.Error(err)
				}
			})
		})
		p.registry.Set("echo", serve(t, "a").at())
		there := p.client(l, "echo:7070")
		eventually(t, "the client is served", func() bool { return there.call(unary).Code == codes.OK })
		there.do(order{Do: "begin", Every: 10, Method: unary})
		for _, away := range []time.Duration{time.Second, 6 * time.Second, ledger.Short(30 * time.Second)} {
			p.end()
			began := time.Now()
			c := p.client(l, "echo:7070")
			for away > keeper.DefaultPatience && time.Since(began) < away {
				called, first := time.Now(), time.Since(began)
				got := c.call(unary)
				limit := time.Second
				if first < keeper.DefaultPatience {
					limit += keeper.DefaultPatience + 2*time.Second
				}
				if got.Code != codes.Unavailable || !strings.Contains(got.Text, "no agent serves at "+p.socket) || time.Since(called) > limit {
					t.Errorf("a call %v after the agent's end: got %+v after %v, want UNAVAILABLE within %v, and that no agent serves at the socket", first, got, time.Since(called), limit)
				}
				<-time.After(300 * time.Millisecond)
			}
			<-time.After(time.Until(began.Add(away)))
			p.open()
			began = time.Now()
			eventually(t, "the client is served", func() bool { return c.call(unary).Code == codes.OK })
			took := time.Since(began)
			t.Logf("away for %v: served %v after the agent's return", away, took)
			if took > 2*time.Second {
				t.Errorf("away for %v: served %v after the agent's return, want within 2s", away, took)
			}
		}
		if got := ends(there.do(order{Do: "stop"}).Calls); got.failed() > 0 || len(got) < 50 {
			t.Errorf("the agent was away: %v", got)
		}
	})
}
