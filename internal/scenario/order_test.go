// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestScenarioD10_answerIsLate: a watch and a question to confirm what it said are under
// way at once, and the answer to one of them says what was true before the other's. The
// clusters never go back to it.
func TestScenarioD10_answerIsLate(t *testing.T) {
	ledger.Baseline(t)
	const delay = 3 * time.Second
	late := enmeshtest.ConsulReply{Block: true, Delay: delay}
	for _, tt := range []struct {
		name string
		tell func(l *lab)
	}{
		{"to the question", func(l *lab) {
			l.registry.Script(healthPath, late)
			l.within(5*time.Second, "the question was put", func() bool { return l.registry.Scripted(healthPath) == 0 })
			l.registry.Set(shop, l.instances()...)
		}},
		{"of the watch", func(l *lab) {
			l.registry.Script(healthPath, late)
			l.registry.Set(shop, l.instances()[:5]...)
			l.within(time.Second, "the watch is answered", func() bool { return l.registry.Scripted(healthPath) == 0 })
			l.registry.Set(shop, l.instances()...)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it waits more than it works
			l := openLab(t, 6)
			l.registry.Set(shop, l.instances()[:4]...)
			l.open()
			l.within(10*time.Second, "the mesh knows its endpoints", func() bool { return len(l.endpoints()) == 4 })
			load := l.load(100)
			told := l.updates()
			l.knowsNobody() // from here on it is doubted, and asked after 5 s
			l.within(5*time.Second, "it is doubted", func() bool { return l.mesh.Status().Services[0].Discovery.Suppressed == 1 })
			l.sleep(4 * time.Second)
			tt.tell(l)
			l.within(10*time.Second, "the latest is known", func() bool { return len(l.endpoints()) == 6 })
			l.sleep(delay + 2*time.Second)
			if all := told.list(); len(all) != 1 || all[0].added != 2 {
				t.Errorf("the cluster was told %+v, want one update that adds two", all)
			}
			l.none(load)
		})
	}
}
