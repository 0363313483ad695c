// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/accesslog"
	"github.com/enmesh-go/enmesh/telemetry/edges"
	"github.com/enmesh-go/enmesh/telemetry/prom"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

// wire answers at once and counts bytes; it allocates nothing.
type wire struct {
	carrier  enmesh.Carrier
	hooks    enmesh.Spare
	endpoint enmesh.Endpoint
}

func (w *wire) Send(_ context.Context, c *enmesh.Call) error {
	now := enmesh.Now()
	w.carrier.Picked(w.endpoint, now)
	w.carrier.Answered(now)
	c.Answer.Status = 200
	return nil
}

func (w *wire) Replayable() bool                                            { return true }
func (w *wire) Discard()                                                    {}
func (w *wire) Adopt(enmesh.Exchange)                                       {}
func (w *wire) Sizes() (request, answer int64)                              { return 100, 4000 }
func (w *wire) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) { return nil, errBusy }

var reviewsV2 = &enmeshtest.Endpoint{Address: "10.0.0.7:9080", Labels: map[string]string{"app": "reviews", "version": "v2"}}

// send makes one call, whose record is its one allocation.
func send(ctx context.Context, r enmesh.Router) {
	w := &wire{endpoint: reviewsV2}
	c := &w.carrier.Call
	c.Method, c.Path, c.Service, c.Header = "GET", "/reviews/1", "reviews", enmeshtest.Header(nil)
	w.carrier.Begin(ctx, w)
	w.carrier.Lend(&w.hooks)
	w.carrier.Enter(r)
	_ = w.carrier.Run()
	w.carrier.End(nil, enmesh.Now())
}

// everything is all the telemetry that is on in a program without an SDK.
func everything() enmesh.Router {
	scope := telemetry.Scope{Self: telemetry.Workload{Name: "productpage-v1", App: "productpage", Version: "v1"}}
	metrics, table := prom.New(prom.Config{}), edges.New(edges.Config{})
	access := accesslog.New(slog.NewTextHandler(io.Discard, nil), accesslog.Config{Sample: 1e-9})
	return enmesh.Fixed(false,
		tracing.New(tracing.Config{}).Calls(enmesh.Client),
		telemetry.Calls(metrics.Calls(scope), table.Calls(scope), access.Calls(scope)),
		telemetry.Attempts(metrics.Attempts(scope), table.Attempts(scope)),
	)
}

func TestEverything_addsNoAllocation(t *testing.T) {
	bare, all := enmesh.Fixed(false), everything()
	before := testing.AllocsPerRun(1000, func() { send(context.Background(), bare) })
	after := testing.AllocsPerRun(1000, func() { send(context.Background(), all) })
	if after > before {
		t.Errorf("a call costs %v allocations, %v without telemetry: want no more", after, before)
	}
}

// TestImports holds what the packages may pull in: an SDK is the program's choice,
// and a program that speaks HTTP only compiles no gRPC.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		for _, bad := range []string{"go.opentelemetry.io/otel/sdk", "google.golang.org/grpc"} {
			if pkg == bad || strings.HasPrefix(pkg, bad+"/") {
				t.Errorf("%s is in the closure", pkg)
			}
		}
	}
}

// BenchmarkEverything is a whole call: compare with bare for what telemetry adds.
func BenchmarkEverything(b *testing.B) {
	for name, r := range map[string]enmesh.Router{"bare": enmesh.Fixed(false), "all": everything()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(context.Background(), r)
			}
		})
	}
}
