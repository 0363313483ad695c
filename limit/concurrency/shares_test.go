// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency_test

import (
	"math"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/concurrency"
)

// fill admits calls of a level until one is refused, and gives how many run then.
func fill(t *testing.T, g enmesh.Gate, level enmesh.Criticality) int {
	t.Helper()
	ctx := enmesh.WithCriticality(t.Context(), level)
	for n := range 1000 {
		if _, err := g.Admit(ctx, &enmesh.Call{}); err != nil {
			return n
		}
	}
	t.Fatal("a thousand calls are admitted")
	return 0
}

func TestShares_leaveRoom(t *testing.T) {
	shares := concurrency.Shares{Critical: 0.9, SheddablePlus: 0.7, Sheddable: 0.5}
	for name, g := range map[string]enmesh.Gate{
		"fixed":    mustFixed(t, concurrency.Config{Max: 100, Shares: shares}),
		"adaptive": mustAdaptive(t, concurrency.AdaptiveConfig{Initial: 100, Shares: shares}),
	} {
		t.Run(name, func(t *testing.T) {
			total := 0
			for _, tt := range []struct {
				level enmesh.Criticality
				want  int
			}{
				{enmesh.Sheddable, 50}, {enmesh.SheddablePlus, 70}, {enmesh.Critical, 90},
				{enmesh.CriticalPlus, 100}, {enmesh.Sheddable, 100}, {enmesh.Critical, 100},
			} {
				if total += fill(t, g, tt.level); total != tt.want {
					t.Errorf("%v fills up to %d, want %d", tt.level, total, tt.want)
				}
			}
		})
	}
}

func TestShares_letOneOfEachLevelRun(t *testing.T) {
	f := mustFixed(t, concurrency.Config{Max: 1, Shares: concurrency.Shares{Sheddable: 0.1}})
	if n := fill(t, f, enmesh.Sheddable); n != 1 {
		t.Errorf("%d run, want 1", n)
	}
}

func TestShares_areChecked(t *testing.T) {
	for _, s := range []concurrency.Shares{
		{Sheddable: -0.1}, {Critical: 1.1}, {SheddablePlus: math.NaN()},
		{SheddablePlus: 0.5}, // SHEDDABLE has the whole
		{Critical: 0.5, SheddablePlus: 0.6, Sheddable: 0.1},
	} {
		if _, err := concurrency.NewFixed(concurrency.Config{Max: 1, Shares: s}); err == nil {
			t.Errorf("%+v is accepted, want an error", s)
		}
	}
}
