// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// wouldRefuse counts what a quota in shadow would have refused.
type wouldRefuse struct{ n atomic.Int64 }

// Record counts.
func (w *wouldRefuse) Record(_ *enmesh.Call, d enmesh.Decision) {
	if d == (enmesh.Decision{Policy: "limit", Action: enmesh.ActionRefuse, Shadow: true}) {
		w.n.Add(1)
	}
}

// In shadow every call goes on, its answer's header stays as it is, and all that is too much
// for the fleet is counted, whether it is known here or only by Redis.
func TestQuota_inShadow(t *testing.T) {
	server := redistest.Start(t)
	for name, lease := range map[string]time.Duration{"leases": 0, "each asks": -1} {
		t.Run(name, func(t *testing.T) {
			var would wouldRefuse
			q := open(t, at(server.Addr), redislimit.Config{
				Name: "shadow " + name, Rate: 0.001, Burst: 3, Lease: lease, Timeout: time.Second, Shadow: true, Recorder: &would,
			}, nil)
			answer := enmeshtest.Header{}
			for range 10 {
				c := &enmesh.Call{Side: enmesh.Server, Clock: enmesh.Now(), Answer: enmesh.Answer{Header: answer}}
				if _, err := q.Admit(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			hung := time.After(30 * time.Second)
			for would.n.Load() < 7 {
				select {
				case <-time.After(time.Millisecond):
				case <-hung:
					t.Fatalf("%d counted, want 7", would.n.Load())
				}
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
			if s := q.Stats(); would.n.Load() != 7 || s.Admitted != 3 || s.Refused != 7 || len(answer) != 0 {
				t.Errorf("counted %d, %+v, header %v; want 7 of 10, and nothing written", would.n.Load(), s, answer)
			}
		})
	}
}

func TestQuota_inShadowConforms(t *testing.T) {
	cfg := redislimit.Config{Name: "conforms", Rate: 0.001, Burst: 1, Shadow: true}
	enmeshtest.TestGate(t, func() enmesh.Gate { return shut(t, cfg) })
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return shut(t, cfg).Middleware() })
}
