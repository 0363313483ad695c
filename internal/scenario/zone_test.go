// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
)

// near is a rule that keeps calls to the shop in the caller's zone as long as that bears
// them.
const near = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop
  trafficPolicy:
    loadBalancer: {localityLbSetting: {enabled: true}}
    outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 100}
`

// inZones puts the first half of the backends into the caller's zone and the others into
// the next, and opens the mesh.
func (l *lab) inZones(rules string, opts ...mesh.Option) {
	l.t.Helper()
	instances := l.instances()
	for i := range instances {
		zone := "eu/a"
		if i >= len(instances)/2 {
			zone = "eu/b"
		}
		instances[i].Meta = map[string]string{"locality": zone}
	}
	l.registry.Set(shop, instances...)
	here := mesh.WithWorkload(mesh.Workload{Locality: discovery.Locality{Region: "eu", Zone: "a"}})
	l.settled(append(opts, here, l.policies(rules))...)
}

// nearby is the backends of the caller's zone.
func (l *lab) nearby() []*backend { return l.backends[:len(l.backends)/2] }

// nearShare is how many of the answered calls the caller's zone answered.
func (l *lab) nearShare(r ledger.Report) float64 {
	n := 0
	for _, b := range l.nearby() {
		n += r.Servers[b.name]
	}
	return float64(n) / float64(max(r.OK, 1))
}

// TestScenarioN19_zoneKilled: the caller's zone, half of the instances, is killed under
// load: within two seconds all calls are answered by the other, and callers see next to
// nothing of it. When the zone returns, so do the calls, as soon as its instances are
// neither at rest nor ejected: connects that fail count as errors in a row.
func TestScenarioN19_zoneKilled(t *testing.T) {
	l := newLab(t, 10)
	l.inZones(replace(t, near, "baseEjectionTime: 30s", "baseEjectionTime: 3s"))
	load := l.hurry(600)
	l.sleep(2 * time.Second)
	killed := time.Now()
	if r := load.Between(load.Begin(), killed); l.nearShare(r) != 1 || r.Lost != 0 {
		t.Errorf("before: %.4f of %d calls stayed near, %d lost; want all and none", l.nearShare(r), r.Sent, r.Lost)
	}
	for _, b := range l.nearby() {
		b.stop()
	}
	l.sleep(2 * time.Second)
	settled := time.Now()
	l.sleep(ledger.Short(30*time.Second) / 3)
	back := time.Now()
	for i := range l.nearby() {
		l.again(i)
	}
	returned := l.within(15*time.Second, "calls are near again", func() bool {
		l.sleep(50 * time.Millisecond)
		r := load.Between(time.Now().Add(-600*time.Millisecond), time.Now().Add(-100*time.Millisecond))
		return r.Sent > 200 && l.nearShare(r) >= 0.99
	})
	l.sleep(2 * time.Second)
	load.Stop()
	load.Wait()
	moving, away, after := load.Between(killed, settled), load.Between(settled, back), load.Between(back, time.Now())
	lost := moving.Lost + away.Lost
	t.Logf("killed: %d of %d calls lost, %d of %d of them in the first 2 s %v, near share then %.4f, later %.4f; near again %v after the return, %d of %d lost since",
		lost, moving.Sent+away.Sent, moving.Lost, moving.Sent, moving.Errors, l.nearShare(moving), l.nearShare(away), returned, after.Lost, after.Sent)
	if share := l.nearShare(away); share != 0 {
		t.Errorf("%.4f of the calls were answered near 2 s after the kill", share)
	}
	if float64(lost) > 0.005*float64(moving.Sent+away.Sent) {
		t.Errorf("%d of %d calls lost: %v, %v; want at most 0.5%%", lost, moving.Sent+away.Sent, moving.Errors, away.Errors)
	}
	if away.Lost != 0 || after.Lost != 0 {
		t.Errorf("%d calls lost once the zone was known to be away, %d when it was back: %v, %v; want none", away.Lost, after.Lost, away.Errors, after.Errors)
	}
}

// TestScenarioP12_halfOfTheZone: with half of the caller's zone bad, what is left bears 1.4
// times its part: 70% of the calls stay near.
func TestScenarioP12_halfOfTheZone(t *testing.T) {
	for name, hurt := range map[string]func(*backend){
		"killed": func(b *backend) { b.stop() }, "failing": func(b *backend) { b.fails.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 8)
			l.inZones(near)
			load := l.hurry(600)
			l.sleep(time.Second)
			for _, b := range l.nearby()[:2] {
				hurt(b)
			}
			l.sleep(2 * time.Second)
			settled := time.Now()
			l.sleep(max(ledger.Short(30*time.Second)/3, 6*time.Second))
			load.Stop()
			load.Wait()
			r := load.Between(settled, time.Now())
			share := l.nearShare(r)
			t.Logf("%.4f of %d calls stayed near, %d lost", share, r.Sent, r.Lost)
			if math.Abs(share-0.7) > 0.03 {
				t.Errorf("%.4f of %d calls stayed near, want 0.70 to within 0.03", share, r.Sent)
			}
			if float64(r.Lost) > 0.005*float64(r.Sent) {
				t.Errorf("%d of %d calls lost: %v; want at most 0.5%%", r.Lost, r.Sent, r.Errors)
			}
		})
	}
}

// persistent has a call that failed made twice more, and pays for all of these.
const persistent = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - retries: {attempts: 2, retryOn: "5xx,unavailable", retryRemoteLocalities: true, backoff: 1ms}
    route:
    - destination: {host: shop}
`

// TestScenario_retryRemoteLocalities: every instance of the caller's zone fails, and none is
// ejected. Where retries may go to other localities, the third attempt does, and callers
// see no error; where they may not, all attempts stay, and callers see all of them.
func TestScenario_retryRemoteLocalities(t *testing.T) {
	const calls = 60
	for _, tt := range []struct {
		allowed   string
		ok        int
		near, far int
	}{
		{"true", calls, 2 * calls, calls},
		{"false", 0, 3 * calls, 0},
	} {
		t.Run(tt.allowed, func(t *testing.T) {
			l := newLab(t, 10)
			sent := new(tally)
			forbearing := replace(t, near, "consecutive5xxErrors: 5", "consecutive5xxErrors: 1000")
			forbearing = replace(t, forbearing, "  trafficPolicy:\n", "  trafficPolicy:\n    retryBudget: {percent: 100, minRetryConcurrency: 1000}\n")
			rules := replace(t, persistent, "retryRemoteLocalities: true", "retryRemoteLocalities: "+tt.allowed) + "---" + forbearing
			l.inZones(rules, mesh.WithTelemetry(sent))
			rpc, warm := l.rpc(), 0
			l.within(10*time.Second, "gRPC is connected to all, and has been for 50 calls", func() bool { // what is not connected is in no tier
				if _, err := rpc(t.Context(), "warm"); err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(l.backends, func(b *backend) bool { return b.conn.Load() == 0 }) {
					warm++
				}
				return warm == 50
			})
			before := sent.now()
			for _, b := range l.nearby() {
				b.fails.Store(true)
			}
			call, answered := alternate(l.web(false), l.web(true), rpc), 0
			for i := range calls {
				if _, err := call(t.Context(), "r"+string(rune('a'+i/26))+string(rune('a'+i%26))); err == nil {
					answered++
				} else if status.Code(err) != codes.Unavailable && err.Error() != "status 503" {
					t.Errorf("call %d: %v", i, err)
				}
			}
			got := map[bool]int{}
			l.within(5*time.Second, "all attempts have ended", func() bool { _, n := sent.since(before, ""); return n == 3*calls })
			for addr, n := range sent.now() {
				got[slices.ContainsFunc(l.nearby(), func(b *backend) bool { return b.addr == addr })] += n - before[addr]
			}
			if answered != tt.ok || got[true] != tt.near || got[false] != tt.far {
				t.Errorf("%d calls answered without an error, %d attempts near, %d far; want %d, %d, %d", answered, got[true], got[false], tt.ok, tt.near, tt.far)
			}
		})
	}
}
