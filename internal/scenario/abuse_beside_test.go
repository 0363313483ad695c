// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// honestRate is how many honest calls there are a second, quietTime how long they are alone
// before an attack and again after it, and windowCalls how many make a window.
const (
	honestRate  = 200
	quietTime   = 2 * time.Second
	windowCalls = 50
)

// bearable is how much longer honest calls may take during an attack than without one; a
// zero one says nothing.
type bearable struct {
	quantile float64
	times    float64
}

var (
	// Attackers who wait take nothing.
	bearableWait = bearable{0.99, 1.5}
	anyTime      bearable
)

// besideTries is how often an attack is run at most until its times can be judged.
const besideTries = 3

// beside runs an attack while honest clients call, and wants 99.9 of 100 of their calls
// answered, and in bearable time. What attack says took too long counts, unless the honest
// clients themselves could not keep their pace: then others had the machine, and the attack
// is run again.
func (g *fortress) beside(t *testing.T, most bearable, attack func() (slow []string)) {
	t.Helper()
	call := g.honest(t)
	if !judged(func() bool { return g.besideOnce(t, call, most, attack) }) {
		t.Errorf("%s: honest calls were sent late in each of %d tries: others had the machine, and nothing could be judged", g.name, besideTries)
	}
}

// judged has an attack run until it can be judged; false: it never could.
func judged(run func() bool) bool {
	for range besideTries {
		if run() {
			return true
		}
	}
	return false
}

// besideOnce reports whether the times of an attack could be judged. That honest calls are
// answered is wanted in any case.
func (g *fortress) besideOnce(t *testing.T, call ledger.Call, most bearable, attack func() (slow []string)) bool {
	t.Helper()
	quiet := func() []ledger.Record {
		alone := ledger.Start(t.Context(), ledger.Config{Call: call, Rate: honestRate, For: quietTime})
		alone.Wait()
		return alone.Records()
	}
	var before []ledger.Record
	if judgesLatency && most != anyTime {
		before = quiet()
	}
	load := ledger.Start(t.Context(), ledger.Config{Call: call, Rate: honestRate})
	slow := attack()
	load.Stop()
	r := load.Wait()
	t.Logf("%s, honest calls: %d of %d answered, p50 %v, p99 %v", g.name, r.OK, r.Sent, r.P50, r.P99)
	if r.Sent == 0 || float64(r.OK) < 0.999*float64(r.Sent) {
		t.Errorf("%s: of %d honest calls %d were answered, want 99.9 %%: %v", g.name, r.Sent, r.OK, r.Errors)
	}
	if len(slow) > 0 && r.Late > 100*time.Millisecond || before != nil && r.Late > time.Second {
		t.Logf("%s: an honest call was sent %v late: others had the machine, and times are not judged %q", g.name, r.Late, slow)
		return false
	}
	for _, s := range slow {
		t.Errorf("%s, %s", g.name, s)
	}
	if before == nil {
		return true
	}
	said, ok := most.judge(load.Records(), before, quiet())
	t.Logf("%s: of %s", g.name, said)
	if !ok {
		t.Errorf("%s: of %s; want %v times that at most", g.name, said, most.times)
	}
	return true
}

// judge compares windows of calls, by what their quantile took. Others use the processors too,
// which makes some windows slow, attacked or not: the best quarter of those under attack
// is held against the median of those before and of those after, whichever is slower. An
// attack that delays calls all the time shows in every window.
func (b bearable) judge(attacked, before, after []ledger.Record) (said string, ok bool) {
	under, alone := at(b.windows(attacked), 4), max(at(b.windows(before), 2), at(b.windows(after), 2))
	said = fmt.Sprintf("every %d honest calls the quantile %v is %v under attack and %v without", windowCalls, b.quantile, under, alone)
	return said, under > 0 && float64(under) <= b.times*float64(alone)
}

// windows are the quantiles of every so many calls, sorted.
func (b bearable) windows(calls []ledger.Record) []time.Duration {
	var out []time.Duration
	for some := range slices.Chunk(calls, windowCalls) {
		if len(some) < windowCalls {
			break
		}
		var took []time.Duration
		for _, r := range some {
			took = append(took, r.Took)
		}
		slices.Sort(took)
		out = append(out, took[int(b.quantile*windowCalls)])
	}
	slices.Sort(out)
	return out
}

// at is the value at 1/n of those sorted; 0 of none.
func at(sorted []time.Duration, n int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/n]
}

// An attack that cannot be judged is run again, and not for ever.
func TestJudged_triesAgain(t *testing.T) {
	for _, tt := range []struct {
		late, runs int
		want       bool
	}{{0, 1, true}, {1, 2, true}, {besideTries - 1, besideTries, true}, {besideTries, besideTries, false}, {100, besideTries, false}} {
		runs := 0
		got := judged(func() bool { runs++; return runs > tt.late })
		if got != tt.want || runs != tt.runs {
			t.Errorf("late %d times: judged %t after %d runs, want %t after %d", tt.late, got, runs, tt.want, tt.runs)
		}
	}
}

// The judgement sees an attack that slows every call or one of fifty, and neither a noisy
// machine nor too short an attack makes it say yes.
func TestBearable_judges(t *testing.T) {
	calls := func(n int, usual, worst time.Duration) []ledger.Record {
		out := make([]ledger.Record, n)
		for i := range out {
			out[i].Took = usual
			if i%windowCalls == 0 {
				out[i].Took = worst
			}
		}
		return out
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name                    string
		most                    bearable
		attacked, before, after []ledger.Record
		want                    bool
	}{
		{"as ever", bearableWait, calls(200, ms, 2*ms), calls(200, ms, 2*ms), calls(200, ms, 2*ms), true},
		{"at the limit", bearableWait, calls(200, ms, 3*ms), calls(200, ms, 2*ms), calls(200, ms, 2*ms), true},
		{"its tail beyond", bearableWait, calls(200, ms, 4*ms), calls(200, ms, 2*ms), calls(200, ms, 2*ms), false},
		{"noise in half of it", bearableWait, append(calls(100, ms, 90*ms), calls(100, ms, 2*ms)...), calls(200, ms, 2*ms), calls(200, ms, 2*ms), true},
		{"noise that came later", bearableWait, calls(200, ms, 9*ms), calls(200, ms, 2*ms), calls(200, ms, 9*ms), true},
		{"too short", bearableWait, calls(windowCalls-1, ms, ms), calls(200, ms, 2*ms), calls(200, ms, 2*ms), false},
	} {
		if said, ok := tt.most.judge(tt.attacked, tt.before, tt.after); ok != tt.want {
			t.Errorf("%s: got %v, want %v: %s", tt.name, ok, tt.want, said)
		}
	}
}
