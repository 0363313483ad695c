// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
)

// TestScenarioN1_oneOfTenKilled: one of ten instances is killed under load, while the
// registry goes on naming it. No call is lost, but of those that must not be sent twice the
// ones that it was working on; and it is left alone within a second.
func TestScenarioN1_oneOfTenKilled(t *testing.T) {
	l := newLab(t, 10)
	sent := new(tally)
	l.settled(mesh.WithTelemetry(sent))
	for _, b := range l.backends {
		b.slow.Store(int64(50 * time.Millisecond)) // so that some calls are under way anywhere
	}
	load := ledger.Start(t.Context(), ledger.Config{Call: alternate(l.web(false), l.web(true)), Rate: 300})
	t.Cleanup(load.Stop)
	once := ledger.Start(t.Context(), ledger.Config{ // a gRPC method is not idempotent unless it says so
		Call: alternate(l.clientOf(&http.Transport{MaxIdleConnsPerHost: 100}, http.MethodPost), l.rpc()), Rate: 300, Prefix: "once-",
	})
	t.Cleanup(once.Stop)
	l.sleep(2 * time.Second)
	dead := l.backends[0]
	dead.stop()
	killed := time.Now()
	took := l.within(10*time.Second, "it is ejected for HTTP", func() bool { return l.endpoint(dead).Ejected(enmesh.Now()) })
	if took > time.Second {
		t.Errorf("ejected after %v, want within 1 s", took)
	}
	l.sleep(time.Until(killed.Add(time.Second))) // gRPC's connection is gone, which is as good
	mark, late := sent.now(), ledger.Short(30*time.Second)/3
	l.sleep(late)
	if share, n := sent.since(mark, dead.addr); share*float64(n) > late.Seconds()+1 {
		t.Errorf("a second after its end the dead one had %.4f of %d attempts; want one a second at most, to see whether it is back", share, n)
	}
	load.Stop()
	once.Stop()
	posts := once.Wait()
	t.Logf("not to be sent twice: %v; %d requests were cut", posts, dead.cut.Load())
	if unread := 2; posts.Lost > int(dead.cut.Load())+unread {
		t.Errorf("%d of %d calls lost that must not be sent twice: %v; want at most the %d that the dead one was working on, and %d that it had not read",
			posts.Lost, posts.Sent, posts.Errors, dead.cut.Load(), unread)
	}
	r := load.Wait().With(&l.receipts)
	t.Log(r)
	if r.Lost != 0 || r.Unserved != 0 {
		t.Errorf("%d of %d calls lost, %d unserved: %v; want none", r.Lost, r.Sent, r.Unserved, r.Errors)
	}
	t.Logf("ejected after %v; %d calls were begun twice", took, r.Duplicated)
}

// TestScenarioN2_oneOfTenFrozen: one of ten instances stops as under SIGSTOP: it accepts,
// and answers nothing. Calls end in time elsewhere, few go there, and it has its share
// again soon after it goes on.
func TestScenarioN2_oneOfTenFrozen(t *testing.T) {
	l := newLab(t, 10)
	sent := new(tally)
	rule := replace(t, ejects, "baseEjectionTime: 30s", "baseEjectionTime: 1s")
	l.settled(l.policies(patient+"---"+rule), mesh.WithTelemetry(sent))
	load := l.hurry(300)
	l.sleep(2 * time.Second)
	cold := l.backends[0]
	frozen := time.Now()
	cold.ice.freeze()
	l.sleep(2 * time.Second)
	mark := sent.now()
	l.sleep(ledger.Short(60*time.Second) - 5*time.Second)
	share, n := sent.since(mark, cold.addr)
	thawed := time.Now()
	cold.ice.thaw()
	recovered := l.sharesAgain(sent, cold, 0.05)
	load.Stop()
	r := load.Wait()
	t.Log(r)
	t.Logf("share of the frozen one %.4f of %d attempts; its share again after %v", share, n, recovered)
	for text, n := range r.Errors { // gRPC's are not idempotent: what went to the frozen one may have been done
		inTime := strings.Contains(text, "attempt took longer") || strings.Contains(text, "it answers no ping")
		if n > r.Sent/100 || !inTime || strings.Contains(text, "Get ") {
			t.Errorf("lost %d times of %d: %s; want none but a few over gRPC, in time", n, r.Sent, text)
		}
	}
	if during := load.Between(frozen, thawed); during.P99 > 3*time.Second {
		t.Errorf("p99 is %v, want at most the deadline of 3 s", during.P99)
	}
	if share > 0.03 {
		t.Errorf("the frozen one had %.3f of the attempts, want at most 0.03: 0.3 of its fair share", share)
	}
	if recovered > 10*time.Second {
		t.Errorf("its share again after %v, want within 10 s", recovered)
	}
}

// TestScenarioN3_oneOfTenIsSlow: one of ten instances takes ten times as long. Peak-EWMA
// leaves it alone, so that callers do not see it: they are compared with those of ten others,
// at the same time, of which none is slow.
func TestScenarioN3_oneOfTenIsSlow(t *testing.T) {
	ledger.Baseline(t)
	l, well := openLab(t, 10), openLab(t, 10)
	sent := new(tally)
	for _, each := range []*lab{l, well} {
		for _, b := range each.backends {
			b.slow.Store(int64(50 * time.Millisecond))
		}
	}
	l.settled(l.policies(quick), mesh.WithTelemetry(sent))
	well.settled(well.policies(quick))
	load, beside := l.hurry(300), well.hurry(300)
	l.sleep(ledger.Short(30*time.Second) / 3)
	lame := l.backends[0]
	lame.slow.Store(int64(500 * time.Millisecond))
	l.sleep(2 * time.Second)
	mark, settled := sent.now(), time.Now()
	l.sleep(ledger.Short(30*time.Second) / 3)
	share, n := sent.since(mark, lame.addr)
	load.Stop()
	beside.Stop()
	r, control := load.Wait(), beside.Wait()
	p99, theirs := load.Between(settled, time.Now()).P99, beside.Between(settled, time.Now()).P99
	t.Logf("share of the slow one %.4f of %d attempts; p99 %v, and %v where none is slow", share, n, p99, theirs)
	if r.Lost != 0 || control.Lost != 0 {
		t.Errorf("%d of %d calls lost: %v, and %d where none is slow: %v; want none", r.Lost, r.Sent, r.Errors, control.Lost, control.Errors)
	}
	if share > 0.03 {
		t.Errorf("the slow one had %.3f of the attempts, want at most 0.03: 0.3 of its fair share", share)
	}
	if worst := theirs * 3 / 2; p99 > worst {
		t.Errorf("p99 is %v, want at most %v: one and a half times that of where none is slow", p99, worst)
	}
}

// TestScenarioN6_someConnectionsAreReset: one connection in a hundred is reset as soon as
// it was accepted. Calls that may be sent again are, each on a connection of its own so that
// there are enough of them.
func TestScenarioN6_someConnectionsAreReset(t *testing.T) {
	for name, tt := range map[string]struct {
		call func(*lab) ledger.Call
		rate int
	}{
		"HTTP/1.1": {(*lab).shortLived, 200},
		"HTTP/2":   {(*lab).shortLivedTwo, 200},
		"gRPC":     {(*lab).shortLivedRPC, 20}, // each client connects to all ten
	} {
		t.Run(name, func(t *testing.T) { someAreReset(t, tt.call, tt.rate) })
	}
}

func someAreReset(t *testing.T, call func(*lab) ledger.Call, rate int) {
	t.Helper()
	l := newLab(t, 10)
	l.settled(l.policies(patient))
	for i, b := range l.backends {
		b.ice.seen.Store(int64(10 * i)) // not all of them the same client: one of gRPC's connects to each
		b.ice.resets.Store(100)
	}
	load := ledger.Start(t.Context(), ledger.Config{Call: call(l), Rate: rate})
	t.Cleanup(load.Stop)
	l.sleep(ledger.Short(30 * time.Second))
	load.Stop()
	r := load.Wait()
	reset := int64(0)
	for _, b := range l.backends {
		reset += b.ice.reset.Load()
	}
	t.Logf("%v; %d connections reset", r, reset)
	if reset < 10 {
		t.Errorf("%d connections were reset, want some", reset)
	}
	if float64(r.OK) < 0.9999*float64(r.Sent) {
		t.Errorf("%d of %d calls lost: %v; want at most 1 in 10,000", r.Lost, r.Sent, r.Errors)
	}
}
