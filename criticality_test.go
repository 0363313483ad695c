// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh"
)

func TestCriticality_namesAndOrder(t *testing.T) {
	levels := []enmesh.Criticality{enmesh.CriticalPlus, enmesh.Sheddable, enmesh.Critical, enmesh.SheddablePlus}
	slices.SortFunc(levels, func(a, b enmesh.Criticality) int { return a.Rank() - b.Rank() })
	if got, want := fmt.Sprint(levels), "[SHEDDABLE SHEDDABLE_PLUS CRITICAL CRITICAL_PLUS]"; got != want {
		t.Errorf("the first to go first: %s, want %s", got, want)
	}
	for _, level := range levels {
		if got, ok := enmesh.ParseCriticality(level.String()); !ok || got != level {
			t.Errorf("%v reads as %v, %t", level, got, ok)
		}
	}
	for _, text := range []string{"", "critical", "CRITICAL ", "CRITICALITY(9)"} {
		if got, ok := enmesh.ParseCriticality(text); ok || got != enmesh.Critical {
			t.Errorf("%q reads as %v, %t, want no level", text, got, ok)
		}
	}
	if got := enmesh.Criticality(9); got.Rank() != enmesh.Critical.Rank() || got.String() != "CRITICALITY(9)" {
		t.Errorf("what is no level: %v, rank %d", got, got.Rank())
	}
}

func TestCriticality_goesWithTheContext(t *testing.T) {
	ctx := context.Background()
	if got := enmesh.CriticalityOf(ctx); got != enmesh.Critical {
		t.Errorf("unless it is said: %v", got)
	}
	ctx = enmesh.WithCriticality(ctx, enmesh.Sheddable)
	if got := enmesh.CriticalityOf(ctx); got != enmesh.Sheddable {
		t.Errorf("got %v, want SHEDDABLE", got)
	}
	if enmesh.WithCriticality(ctx, enmesh.Sheddable) != ctx {
		t.Error("saying the same again makes another context")
	}
	if got := enmesh.CriticalityOf(enmesh.WithCriticality(ctx, enmesh.Critical)); got != enmesh.Critical {
		t.Errorf("got %v, want CRITICAL again", got)
	}
}
