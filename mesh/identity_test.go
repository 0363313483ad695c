// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/mesh"
)

// TestScenarioD18_portOfAnotherService: an instance has moved, its old port belongs to
// another service now, and the registry does not know yet. No call is answered by the
// wrong service, over any protocol; all succeed once the registry knows.
func TestScenarioD18_portOfAnotherService(t *testing.T) {
	settles(t)
	town, work, foreign := newTown(t), newWorks(), newWorks()
	before := town.fixedShop(work, "127.0.0.1:0", "127.0.0.1:0")
	town.registry.Set("shop", before.endpoint)
	load := town.caller()
	everyKind(t, load, true)
	before.terminate(t)

	other := town.start("payments", foreign, before.web, before.rpc, mesh.StepReady)
	everyKind(t, load, false)
	if n := foreign.total(); n > 0 {
		t.Errorf("payments has answered %d calls that were for shop", n)
	}
	after := town.fixedShop(work, "127.0.0.1:0", "127.0.0.1:0")
	town.registry.Set("shop", after.endpoint)
	everyKind(t, load, true)
	t.Logf("shop was called %d times, payments %d times", work.total(), foreign.total())
	if twice := work.twice(); twice > 0 {
		t.Errorf("%d calls were done twice", twice)
	}
	other.terminate(t)
}

// everyKind makes three calls of each kind, of which all succeed, or none.
func everyKind(t *testing.T, l *load, want bool) {
	t.Helper()
	for range 3 {
		for range l.names {
			l.call()
		}
	}
	for _, name := range l.names {
		if made, lost := l.made[name], len(l.lost[name]); want && lost > 0 || !want && lost < made {
			t.Errorf("%s: %d of %d calls failed: %v", name, lost, made, l.lost[name])
		}
	}
	clear(l.made)
	clear(l.lost)
}
