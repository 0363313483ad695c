// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// patience is how long callers of a kitchen wait: ten times what a call takes.
const patience = 10 * kitchenService

// services is a time in which a slot serves n calls, one after the other; in full length
// four times as many.
func services(n int) time.Duration {
	if ledger.Full() {
		n *= 4
	}
	return time.Duration(n) * kitchenService
}

// ramp is what came of a load.
type ramp struct {
	times   float64 // the capacity
	offered int
	goodput float64       // answered with success, a second
	p99     time.Duration // of those
	server  float64       // served a second, whether anybody still waited or not
	byProto [2]int        // answered, over HTTP and gRPC
	starved bool
}

// load offers some times the capacity, over both protocols.
func (k *kitchen) load(t *testing.T, clients []guests, n float64, d time.Duration) ramp {
	t.Helper()
	var took [2]times
	served := k.served.Load()
	l := ledger.Start(t.Context(), ledger.Config{
		Call: alternate(took[0].of(clients[0].call), took[1].of(clients[1].call)),
		Rate: int(n) * capacity, For: d, Timeout: patience,
	})
	r := l.Wait()
	over := time.Since(l.Begin()).Seconds() // with the time that the last calls took
	all := slices.Sorted(slices.Values(append(took[0].all, took[1].all...)))
	out := ramp{
		times: n, offered: r.Sent, goodput: float64(len(all)) / over,
		server: float64(k.served.Load()-served) / over, byProto: [2]int{len(took[0].all), len(took[1].all)},
		starved: starved(t, l),
	}
	if len(all) > 0 {
		out.p99 = all[len(all)*99/100]
	}
	t.Logf("%4.0fx: %5d offered, goodput %5.1f/s (http %d, grpc %d), accepted p99 %v, served %.1f/s",
		out.times, out.offered, out.goodput, out.byProto[0], out.byProto[1], out.p99.Round(time.Millisecond), out.server)
	return out
}

// TestScenarioO3_loadToTenTimes (P4): past what a server can do, a queue that is bounded
// in time, and a limit that finds itself, each hold goodput at its best, and what is
// answered takes at most twice as long as at capacity. The best is nearly the capacity, and
// neither protocol is starved. The same server without them works as hard and serves nobody.
func TestScenarioO3_loadToTenTimes(t *testing.T) {
	phase := services(15)
	// What is let wait by the queue for as long as a call takes would have twice its time.
	queue, err := shed.NewQueue(shed.QueueConfig{Slots: kitchenSlots, Interval: kitchenService * 3 / 4})
	if err != nil {
		t.Fatal(err)
	}
	limit, err := concurrency.NewAdaptive(concurrency.AdaptiveConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		gate enmesh.Gate
	}{{"queue", queue}, {"adaptive limit", limit}} {
		t.Run(tt.name, func(t *testing.T) {
			ledger.Baseline(t)
			k := newKitchen(t, shed.Receive(nil), enmesh.Guard(tt.gate))
			clients := k.guests(t, enmesh.Critical)
			peak, first := 0.0, ramp{}
			for _, n := range []float64{1, 2, 4, 8, 10} {
				want := 0.9
				if n > 4 {
					want = 0.8
				}
				fair(t, func() (bool, error) {
					r := k.load(t, clients, n, phase)
					if n == 1 {
						first = r
					}
					slower := float64(r.p99) / float64(first.p99)
					t.Logf("%4.0fx: p99 is %.2f times that at 1x", n, slower)
					peak = max(peak, r.goodput)
					if r.goodput < want*peak {
						return r.starved, fmt.Errorf("at %.0fx goodput is %.1f/s, want %.0f%% of the peak of %.1f/s", n, r.goodput, 100*want, peak)
					}
					if slower > 2 {
						return r.starved, fmt.Errorf("at %.0fx the p99 of what is answered is %v, %.2f times that at 1x, want twice", n, r.p99, slower)
					}
					if even := float64(r.byProto[0]+r.byProto[1]) / 2; float64(min(r.byProto[0], r.byProto[1])) < even/3 {
						return r.starved, fmt.Errorf("at %.0fx %d calls are answered over HTTP and %d over gRPC, want at least a third of an even share of each", n, r.byProto[0], r.byProto[1])
					}
					if n == 10 && peak < 0.85*float64(capacity) {
						return r.starved, fmt.Errorf("the peak is %.1f/s, want 85%% of the capacity of %d/s", peak, capacity)
					}
					return false, nil
				})
			}
			k.empties(t)
		})
	}
	t.Run("control", func(t *testing.T) {
		ledger.Baseline(t)
		k := newKitchen(t)
		clients := k.guests(t, enmesh.Critical)
		r := k.load(t, clients, 4, 3*phase)
		if r.goodput > 0.5*float64(capacity) {
			t.Errorf("without shedding goodput is %.1f/s at 4x, want a collapse to compare with", r.goodput)
		}
		k.empties(t)
	})
}

// TestScenarioO23_criticalityAtThreeTimes (P6): of three times what a server can do, one
// quarter matters. It is answered, and what is refused is of the rest.
func TestScenarioO23_criticalityAtThreeTimes(t *testing.T) {
	for _, tt := range []struct {
		name string
		gate func() (enmesh.Gate, error)
	}{
		{"queue", func() (enmesh.Gate, error) {
			return shed.NewQueue(shed.QueueConfig{Slots: kitchenSlots, Interval: 2 * kitchenService})
		}},
		{"calls in flight", func() (enmesh.Gate, error) { return shed.New(shed.Config{CPU: -1, InFlight: 3 * kitchenSlots / 2}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ledger.Baseline(t)
			gate, err := tt.gate()
			if err != nil {
				t.Fatal(err)
			}
			k := newKitchen(t, shed.Receive(nil), enmesh.Guard(gate))
			first, last := k.guests(t, enmesh.Critical), k.guests(t, enmesh.Sheddable)
			fair(t, func() (bool, error) { return mix(t, both(first), both(last)) })
			k.empties(t)
		})
	}
}

// mix offers three times the capacity, a quarter of it critical, the rest sheddable.
func mix(t *testing.T, critical, sheddable ledger.Call) (starve bool, err error) {
	t.Helper()
	begin := func(rate int, call ledger.Call) *ledger.Ledger {
		return ledger.Start(t.Context(), ledger.Config{Call: call, Rate: rate, For: services(30), Timeout: 4 * patience})
	}
	matters, rest := begin(3*capacity/4, critical), begin(9*capacity/4, sheddable)
	m, r := matters.Wait(), rest.Wait()
	share := float64(r.Lost) / float64(max(1, m.Lost+r.Lost))
	t.Logf("critical: %d of %d answered; sheddable: %d of %d; %.4f of the refusals are sheddable", m.OK, m.Sent, r.OK, r.Sent, share)
	if float64(m.OK) < 0.99*float64(m.Sent) {
		return starved(t, matters, rest), fmt.Errorf("%d of %d critical calls answered, want 99%%: %v", m.OK, m.Sent, m.Errors)
	}
	if r.Lost == 0 || share < 0.95 {
		return starved(t, matters, rest), fmt.Errorf("%.3f of %d refusals are sheddable, want 95%%", share, m.Lost+r.Lost)
	}
	return false, nil
}

// fair tries until nothing is wrong. What is wrong fails the test the third time; what was
// so on a machine that has others to serve, and could not make the load, does not count,
// and fails the test if that goes on.
func fair(t *testing.T, try func() (starved bool, err error)) {
	t.Helper()
	const tries, patient = 3, 10
	for n, wrong := 1, 0; ; n++ {
		starved, err := try()
		if err == nil {
			return
		}
		t.Logf("attempt %d: %v", n, err)
		if !starved {
			wrong++
		}
		if wrong == tries {
			t.Error(err)
			return
		}
		if n == patient {
			t.Errorf("this machine is too busy to make the load: %v", err)
			return
		}
	}
}

// TestScenarioO23_levelsCrossHops: how much a call matters reaches the second hop, over
// either protocol, and also where the first attempt there fails. Nobody without an
// identity is believed that his calls matter more than others.
func TestScenarioO23_levelsCrossHops(t *testing.T) {
	for _, tt := range []struct{ said, want enmesh.Criticality }{
		{enmesh.Sheddable, enmesh.Sheddable},
		{enmesh.SheddablePlus, enmesh.SheddablePlus},
		{enmesh.Critical, enmesh.Critical},
		{enmesh.CriticalPlus, enmesh.Critical},
	} {
		for hop := range 2 {
			heard := make(chan enmesh.Criticality, 10)
			back := &kitchen{begun: func(ctx context.Context) error {
				heard <- enmesh.CriticalityOf(ctx)
				return nil
			}}
			back.open(t, shed.Receive(nil))
			second := back.guests(t, enmesh.Critical, again)[hop].onward
			front := &kitchen{begun: func(ctx context.Context) error {
				_, err := second(ctx, "")
				return err
			}}
			front.open(t, shed.Receive(nil))
			for _, client := range front.guests(t, tt.said) {
				if _, err := client.call(t.Context(), "1"); err != nil {
					t.Fatal(err)
				}
				for attempt := range 2 {
					if got := <-heard; got != tt.want {
						t.Errorf("said %v over %s, attempt %d: the second hop heard %v, want %v", tt.said, client.name, attempt+1, got, tt.want)
					}
				}
			}
		}
	}
}

// again makes every call twice.
func again(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		if err := next(ctx, c); err != nil || !c.Again() {
			return err
		}
		return next(ctx, c)
	}
}

// BenchmarkShed is what a server's CPU spends on a call that is served by a handler that
// does nothing, and on one that is refused, from the request that is read to the answer
// that is to be written.
func BenchmarkShed(b *testing.B) {
	gate, err := shed.New(shed.Config{CPU: -1, InFlight: 1})
	if err != nil {
		b.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") })
	serve := func(b *testing.B, want int) {
		b.Helper()
		h := meshhttp.NewHandler(handler, enmesh.Fixed(false, shed.Receive(nil), enmesh.Guard(gate)))
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", http.NoBody)
		w := &blank{}
		b.ReportAllocs()
		for b.Loop() {
			clear(w.head)
			h.ServeHTTP(w, r)
		}
		if w.code != want {
			b.Fatalf("status %d, want %d", w.code, want)
		}
	}
	b.Run("served", func(b *testing.B) { serve(b, http.StatusOK) })
	b.Run("refused", func(b *testing.B) {
		token, err := gate.Admit(b.Context(), &enmesh.Call{})
		if err != nil {
			b.Fatal(err)
		}
		defer gate.Done(token, enmesh.Result{})
		serve(b, http.StatusServiceUnavailable)
	})
}

// blank is a ResponseWriter that keeps the status.
type blank struct {
	head http.Header
	code int
}

func (w *blank) Header() http.Header {
	if w.head == nil {
		w.head = http.Header{}
	}
	return w.head
}
func (w *blank) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return len(p), nil
}
func (w *blank) WriteHeader(code int) { w.code = code }

// TestScenarioO23_refusalsAreNotSentAgain: what was shed is not retried, by a client that
// retries everything else.
func TestScenarioO23_refusalsAreNotSentAgain(t *testing.T) {
	for _, sheds := range []bool{true, false} {
		var attempts atomic.Int64
		k := newKitchen(t, func(enmesh.Next) enmesh.Next {
			return func(context.Context, *enmesh.Call) error {
				attempts.Add(1)
				if sheds {
					return shedAlways(t)
				}
				return &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Policy: "test", Err: errClosed}
			}
		})
		on, err := retry.ParseOn("5xx,unavailable")
		if err != nil {
			t.Fatal(err)
		}
		retries, err := retry.New(retry.Config{On: on, BaseBackoff: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		want := int64(3)
		if sheds {
			want = 1
		}
		for _, client := range k.guests(t, enmesh.Critical, idempotent, retries) {
			attempts.Store(0)
			_, err := client.call(t.Context(), "1")
			t.Logf("shed %t, over %s: %d attempts, %v", sheds, client.name, attempts.Load(), err)
			if err == nil || attempts.Load() != want {
				t.Errorf("shed %t, over %s: %d attempts, %v; want %d and an error", sheds, client.name, attempts.Load(), err, want)
			}
		}
	}
}

// shedAlways is the refusal of a shedder.
func shedAlways(t *testing.T) error {
	t.Helper()
	gate, err := shed.New(shed.Config{CPU: -1, InFlight: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = gate.Admit(t.Context(), &enmesh.Call{})
	_, err = gate.Admit(t.Context(), &enmesh.Call{})
	return err
}

// idempotent says of every call that it is.
func idempotent(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		c.Idempotent = true
		return next(ctx, c)
	}
}
