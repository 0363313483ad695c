// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestScenarioR1_percentile: a server under rapid reset answers honest clients: the 99th
// percentile of all their calls is twice at most what it is without the attack, and the server
// takes one processor at most; without the race detector. Server, attacker and honest clients
// are processes of their own, and share the machine.
func TestScenarioR1_percentile(t *testing.T) {
	ledger.Baseline(t)
	percentile(t, "rapid-reset")
}

// TestScenarioR2_percentile is TestScenarioR1_percentile for streams that the server resets.
func TestScenarioR2_percentile(t *testing.T) {
	ledger.Baseline(t)
	percentile(t, "made-you-reset")
}

// attackedFor is how long a server is attacked, all turns together.
func attackedFor() time.Duration {
	switch {
	case !judgesLatency:
		return 2 * time.Second
	case ledger.Full():
		return time.Minute
	}
	return 10 * time.Second
}

func percentile(t *testing.T, flood string) {
	t.Helper()
	for _, name := range []string{"HTTP", "HTTP over TLS", "gRPC", "gRPC over TLS"} {
		if !judged(func() bool { return percentileOnce(t, flood, name) }) {
			t.Errorf("%s: honest calls were sent late in each of %d tries: others had the machine, and nothing could be judged", name, besideTries)
		}
	}
}

// percentileOnce reports whether the times of an attack could be judged.
func percentileOnce(t *testing.T, flood, name string) bool {
	t.Helper()
	server, addr := apart(t, "serve "+name)
	g := &fortress{name: name, addr: addr, rpc: strings.HasPrefix(name, "gRPC")}
	if strings.HasSuffix(name, "over TLS") {
		_, g.secure = certificates()
	}
	var alone, under turns
	var all toll
	turn, call := attackedFor()/percentileTurns, g.honest(t)
	for range percentileTurns {
		alone.add(t, g, call, turn/2)
		attacker, _ := apart(t, "attack "+flood+" "+addr+" "+name)
		under.add(t, g, call, turn)
		said, _ := attacker.end(t)
		all.add(t, said)
		alone.add(t, g, call, turn/2)
	}
	_, spent := server.end(t)
	times, processors := float64(under.p99())/float64(alone.p99()), spent.Seconds()/attackedFor().Seconds()
	t.Logf("%s: %d connections ended, %d of them with ENHANCE_YOUR_CALM seen, the slowest after %v; the 99th percentile of %d honest calls is %v, and of %d without the attack %v: %.2f times; at most %.2f processors",
		name, all.conns, all.calm, all.slowest, len(under.took), under.p99(), len(alone.took), alone.p99(), times, processors)
	if all.calm == 0 || all.open > 0 {
		t.Errorf("%s: of %d connections %d were told ENHANCE_YOUR_CALM, and %d not ended", name, all.conns, all.calm, all.open)
	}
	if float64(under.answered) < 0.999*float64(len(under.took)) {
		t.Errorf("%s: of %d honest calls %d were answered, want 99.9 %%", name, len(under.took), under.answered)
	}
	var slow []string
	if all.slowest > endWithin {
		slow = append(slow, fmt.Sprintf("a connection ended after %v, want within %v", all.slowest, endWithin))
	}
	if judgesLatency && times > 2 {
		slow = append(slow, fmt.Sprintf("the 99th percentile is %.2f times as long, want twice at most", times))
	}
	if judgesLatency && processors > 1 {
		slow = append(slow, fmt.Sprintf("the server takes %.2f processors, want one at most", processors))
	}
	if len(slow) > 0 && max(under.late, alone.late) > 100*time.Millisecond {
		t.Logf("%s: an honest call was sent %v late: others had the machine, and times are not judged %q", name, max(under.late, alone.late), slow)
		return false
	}
	for _, s := range slow {
		t.Errorf("%s: %s", name, s)
	}
	return true
}

// turns are the honest calls of some turns.
type turns struct {
	took     []time.Duration
	answered int
	late     time.Duration // the latest that one was sent
}

func (c *turns) add(t *testing.T, g *fortress, call ledger.Call, lasts time.Duration) {
	t.Helper()
	load := ledger.Start(t.Context(), ledger.Config{Call: call, Rate: honestRate, For: lasts})
	r := load.Wait()
	if r.OK < r.Sent {
		t.Logf("%s: of %d honest calls %d were answered: %v", g.name, r.Sent, r.OK, r.Errors)
	}
	c.answered += r.OK
	for _, r := range load.Records() {
		c.took, c.late = append(c.took, r.Took), max(c.late, r.Late)
	}
}

func (c *turns) p99() time.Duration {
	took := slices.Sorted(slices.Values(c.took))
	return took[len(took)*99/100]
}

// add adds what an attacker said at its end.
func (a *toll) add(t *testing.T, said string) {
	t.Helper()
	var b toll
	if _, err := fmt.Sscan(said, &b.conns, &b.calm, &b.open, (*int64)(&b.slowest)); err != nil {
		t.Fatalf("an attacker said %q: %v", said, err)
	}
	*a = toll{a.conns + b.conns, a.calm + b.calm, a.open + b.open, max(a.slowest, b.slowest)}
}
