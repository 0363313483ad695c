// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// TestScenarioP10_oneOfTenFailsAtOnce: one of ten instances answers errors at once, which
// makes it look quick. Within two seconds it gets hardly a call, and callers see no more
// of it.
func TestScenarioP10_oneOfTenFailsAtOnce(t *testing.T) {
	l := newLab(t, 10)
	sent := new(tally)
	l.settled(l.policies(ejects), mesh.WithTelemetry(sent))
	load := l.hurry(600)
	l.sleep(time.Second)
	bad := l.backends[0]
	bad.fails.Store(true)
	l.sleep(2 * time.Second)
	mark, settled := sent.now(), time.Now()
	l.sleep(ledger.Short(20*time.Second) / 2)
	share, n := sent.since(mark, bad.addr)
	load.Stop()
	r := load.Wait()
	after := load.Between(settled, time.Now())
	t.Logf("share of the failing one %.4f of %d attempts; %d of %d calls lost before it was ejected, %d of %d after",
		share, n, r.Lost-after.Lost, r.Sent-after.Sent, after.Lost, after.Sent)
	if share >= 0.01 {
		t.Errorf("the failing one had %.3f of the attempts, want less than 0.01", share)
	}
	if float64(after.Lost) > 0.001*float64(after.Sent) {
		t.Errorf("%d of %d calls lost after the ejection: %v; want at most 0.1%%", after.Lost, after.Sent, after.Errors)
	}
}

// TestScenarioO25_nineOfTenFail: ejections stop at their cap, and what is left is called:
// nobody is told that there is no instance.
func TestScenarioO25_nineOfTenFail(t *testing.T) {
	l := newLab(t, 10)
	sent := new(tally)
	l.settled(l.policies(replace(t, ejects, "maxEjectionPercent: 10", "maxEjectionPercent: 50")), mesh.WithTelemetry(sent))
	load := l.hurry(300)
	l.sleep(time.Second)
	for _, b := range l.backends[1:] {
		b.fails.Store(true)
	}
	l.within(10*time.Second, "half are ejected", func() bool { return l.ejected() == [2]int{5, 5} })
	settled, mark := time.Now(), sent.now()
	most := l.mostEjected(ledger.Short(30*time.Second) / 3)
	share, n := sent.since(mark, l.backends[0].addr)
	load.Stop()
	load.Wait()
	r := load.Between(settled, time.Now())
	t.Logf("at most %v ejected; the good one had %.3f of %d attempts; %d of %d calls answered", most, share, n, r.OK, r.Sent)
	if most != [2]int{5, 5} {
		t.Errorf("%v ejected at once for HTTP and gRPC, want at most half of ten", most)
	}
	for text := range r.Errors {
		if text != "status 503" && text != unavailable {
			t.Errorf("a call failed with %q, want what the instances answer", text)
		}
	}
	if ok := float64(r.OK) / float64(r.Sent); ok < 0.15 {
		t.Errorf("%.3f of the calls answered, want about the share of the good one among the five left, 0.2; it is 0.1 with none ejected", ok)
	}
}

// TestScenarioO25_allFail: with every instance failing and ejected, calls spread over all
// of them: a guess that may be wrong is better than a refusal that is certain.
func TestScenarioO25_allFail(t *testing.T) {
	l := newLab(t, 10)
	sent := new(tally)
	l.settled(l.policies(replace(t, ejects, "maxEjectionPercent: 10", "maxEjectionPercent: 100")), mesh.WithTelemetry(sent))
	load := l.hurry(300)
	l.sleep(time.Second)
	for _, b := range l.backends {
		b.fails.Store(true)
	}
	l.within(10*time.Second, "all are ejected", func() bool { return l.ejected() == [2]int{10, 10} })
	mark := sent.now()
	l.sleep(3 * time.Second)
	for _, b := range l.backends {
		if share, n := sent.since(mark, b.addr); share < 0.05 {
			t.Errorf("%s had %.3f of %d attempts, want about a tenth", b.name, share, n)
		}
	}
	for _, b := range l.backends {
		b.fails.Store(false)
	}
	l.sleep(100 * time.Millisecond)
	healed := time.Now()
	l.sleep(2 * time.Second)
	load.Stop()
	load.Wait()
	if r := load.Between(healed, time.Now()); r.Lost != 0 {
		t.Errorf("%d of %d calls lost after all had healed: %v; want none, though they are still ejected", r.Lost, r.Sent, r.Errors)
	}
}

// TestScenarioO26_callersFaults: every call is the caller's own fault, or is given up by
// its caller. No instance is ejected for it, no breaker opens, and nothing is sent again.
func TestScenarioO26_callersFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   func(b *backend)
		timeout time.Duration
	}{
		{"404 and INVALID_ARGUMENT", func(b *backend) { b.blames.Store(&fault{http.StatusNotFound, codes.InvalidArgument}) }, 0},
		{"403 and PERMISSION_DENIED", func(b *backend) { b.blames.Store(&fault{http.StatusForbidden, codes.PermissionDenied}) }, 0},
		{"given up", func(b *backend) { b.slow.Store(int64(time.Second)) }, 5 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, 10)
			sent := new(tally)
			touchy := replace(t, ejects, "consecutive5xxErrors: 5", "consecutive5xxErrors: 1")
			slack := strings.ReplaceAll(replace(t, patient, "500ms", "5s"), "timeout: 3s", "timeout: 10s") // a busy machine is nobody's fault
			trips := new(atomic.Int64)
			trip, err := breaker.New(breaker.Config{ConsecutiveFailures: 1}, breaker.OnChange(func(breaker.Change) { trips.Add(1) }))
			if err != nil {
				t.Fatal(err)
			}
			l.settled(l.policies(slack+"---"+touchy), mesh.WithTelemetry(sent), mesh.WithOutbound(trip.Middleware()))
			call := l.eager()
			warm := ledger.Start(t.Context(), ledger.Config{Call: call, Rate: 300, For: 2 * time.Second})
			if r := warm.Wait(); r.Lost != 0 {
				t.Fatalf("%d of %d calls lost before anything was wrong: %v", r.Lost, r.Sent, r.Errors)
			}
			mark := sent.now()
			for _, b := range l.backends {
				tt.fault(b)
			}
			load := ledger.Start(t.Context(), ledger.Config{Call: call, Rate: 300, Timeout: tt.timeout, Prefix: "f"})
			t.Cleanup(load.Stop)
			most := l.mostEjected(ledger.Short(30*time.Second) / 3)
			load.Stop()
			r := load.Wait()
			// A few may be given up before they are sent.
			l.within(10*time.Second, "attempts have ended", func() bool { _, n := sent.since(mark, ""); return n >= r.Sent*9/10 })
			_, attempts := sent.since(mark, "")
			t.Logf("%v; %d attempts, at most %v ejected, %d trips", r, attempts, most, trips.Load())
			if r.OK != 0 || most != [2]int{} || attempts > r.Sent || trips.Load() != 0 {
				t.Errorf("%d calls answered without an error, %v ejected, %d trips, %d attempts for %d calls; want 0, 0, 0 and one each",
					r.OK, most, trips.Load(), attempts, r.Sent)
			}
		})
	}
}

// unavailable is what a failing instance answers over gRPC.
const unavailable = "rpc error: code = Unavailable desc = as the test asked"

// ejected is how many instances are ejected now, for HTTP and for gRPC.
func (l *lab) ejected() (n [2]int) {
	for i, p := range []enmesh.Protocol{enmesh.HTTP, enmesh.GRPC} {
		set := l.mesh.Cluster(enmesh.Destination{Service: shop}, p).Set()
		if set == nil {
			continue
		}
		for _, e := range set.Endpoints {
			if e.Ejected(enmesh.Now()) {
				n[i]++
			}
		}
	}
	return n
}

// mostEjected is the most that were at once, in some time.
func (l *lab) mostEjected(d time.Duration) (most [2]int) {
	l.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		now := l.ejected()
		most[0], most[1] = max(most[0], now[0]), max(most[1], now[1])
		l.sleep(10 * time.Millisecond)
	}
	return most
}
