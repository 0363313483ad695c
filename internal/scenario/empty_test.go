// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// The guard of a mesh that says nothing else: a loss is believed after least, when two
// answers agree on it.
const least = 10 * time.Second

var nobody = enmeshtest.ConsulReply{Body: []byte("[]")}

// knowsNobody has the registry's watch say once, with an index of its own, that there is
// nobody. Later questions are answered honestly.
func (l *lab) knowsNobody() {
	once := nobody
	once.Block = true
	l.registry.Script(healthPath, once)
	l.registry.Touch(shop)
}

// TestScenarioD4_registryKnowsNobody: the registry answers 200 with an empty list for a
// service that had ten instances, and all of them are well.
func TestScenarioD4_registryKnowsNobody(t *testing.T) {
	ledger.Baseline(t)
	for _, tt := range []struct {
		name string
		fail func(l *lab)
	}{
		{"for less than the guard", func(l *lab) {
			l.registry.Always(healthPath, nobody)
			l.sleep(least - time.Second)
			l.metric("kept_endpoints{$} 10")
			l.metric(`watch_state{$,state="doubting"} 1`)
			l.registry.Honest()
		}},
		{"and then nothing at all", func(l *lab) {
			l.knowsNobody()
			l.within(5*time.Second, "the empty list came", func() bool { return l.status().Answers > 0 && l.registry.Scripted(healthPath) == 0 })
			l.sleep(100 * time.Millisecond)
			l.registry.Down()
			l.sleep(ledger.Short(60 * time.Second))
			l.metric("kept_endpoints{$} 10")
			if err := l.registry.Up(); err != nil {
				l.t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it waits more than it works
			l := openLab(t, 10)
			l.settled()
			load := l.load(150)
			told := l.updates()
			l.metric("suppressed_total{$} 0")
			tt.fail(l)
			took := l.within(20*time.Second, "the registry is believed again", func() bool {
				s := l.mesh.Status().Services[0].Discovery
				return s.Kept == 0 && s.StaleSince.IsZero()
			})
			t.Logf("believed again %v after it was well", took.Round(time.Millisecond))
			l.metric("suppressed_total{$} 1")
			l.metric(`watch_state{$,state="live"} 1`)
			if all := told.list(); len(all) != 0 {
				t.Errorf("the cluster was told %+v, want nothing", all)
			}
			l.none(load)
		})
	}
}

// TestScenarioD5_allAreGone: the same list, and it is true.
func TestScenarioD5_allAreGone(t *testing.T) {
	l := newLab(t, 10)
	l.settled()
	load := l.load(100)
	l.within(10*time.Second, "calls are answered", func() bool { return load.Report().OK > 100 })
	if r := load.Report(); r.Lost != 0 {
		t.Errorf("before: %v", r)
	}
	told := l.updates()
	began := time.Now()
	for _, b := range l.backends {
		b.stop()
	}
	l.registry.Set(shop)
	l.within(least+20*time.Second, "the set is empty", func() bool { return len(l.endpoints()) == 0 })
	took := time.Since(began)
	t.Logf("emptied after %v", took.Round(time.Millisecond))
	if took < least || took > least+2*time.Second {
		t.Errorf("emptied after %v, want between %v and 2 s more", took, least)
	}
	l.within(10*time.Second, "the cluster is told", func() bool { return len(told.list()) > 0 }) // just after it is so
	if all := told.list(); len(all) != 1 || all[0].removed != len(l.backends) {
		t.Errorf("the cluster was told %+v, want one update that removes all", all)
	}
	l.metric("suppressed_total{$} 1")
	load.Stop()
	load.Wait()
	l.refusesAtOnce("http/1.1", l.web(false))
	l.refusesAtOnce("http/2", l.web(true))
	l.refusesAtOnce("grpc", l.rpc())
}

// refusesAtOnce wants calls to fail within 5 ms, for the most part, and to say why.
func (l *lab) refusesAtOnce(name string, call ledger.Call) {
	l.t.Helper()
	const calls, text = 50, "no endpoint"
	var took []time.Duration
	for range calls {
		began := time.Now()
		_, err := call(l.t.Context(), "")
		took = append(took, time.Since(began))
		if !mentions(err, text) {
			l.t.Fatalf("%s: got error %v, want %q", name, err, text)
		}
	}
	slices.Sort(took)
	half, worst := took[calls/2], took[calls-1]
	l.t.Logf("%s: refused within %v, half of them within %v", name, worst.Round(time.Microsecond), half.Round(time.Microsecond))
	if half > 5*time.Millisecond || worst > 200*time.Millisecond {
		l.t.Errorf("%s: half refused within %v, want 5 ms", name, half)
	}
}

// TestScenarioD6_mostAreGone: the registry takes 97 of 100 instances out in one update.
func TestScenarioD6_mostAreGone(t *testing.T) {
	const left = 3
	for _, tt := range []struct {
		name string
		gone bool
	}{{"and is wrong", false}, {"and is right", true}} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, 100)
			l.settled()
			load := l.load(200)
			l.within(20*time.Second, "all backends are called", func() bool { return len(load.Report().Servers) == len(l.backends) })
			if tt.gone {
				for _, b := range l.backends[left:] {
					b.stop()
				}
			}
			began := time.Now() // calls that were under way ended with their server, whatever is done
			l.registry.Set(shop, l.instances()[:left]...)
			l.sleep(least - time.Second)
			if n := len(l.endpoints()); n != len(l.backends) {
				t.Errorf("%d endpoints before the guard is over, want all", n)
			}
			l.metric("kept_endpoints{$} 97")
			l.metric("suppressed_total{$} 1")
			if tt.gone {
				l.within(20*time.Second, "the three are all there is", func() bool { return len(l.endpoints()) == left })
				t.Logf("believed after %v", time.Since(began).Round(time.Millisecond))
			} else {
				l.registry.Set(shop, l.instances()...)
				l.within(5*time.Second, "the registry is believed again", func() bool { return l.mesh.Status().Services[0].Discovery.Kept == 0 })
			}
			load.Stop()
			load.Wait()
			r := load.Between(began, time.Now()).With(&l.receipts)
			t.Logf("%.3f %% of the calls since then were answered: %v", 100*float64(r.OK)/float64(r.Sent), r)
			if float64(r.OK) < 0.999*float64(r.Sent) {
				t.Errorf("%d of %d calls answered, want 99.9 %%", r.OK, r.Sent)
			}
		})
	}
}
