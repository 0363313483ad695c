// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/fallback"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/throttle"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

type nobody struct{}

func (*nobody) Record(*enmesh.Call, enmesh.Decision) {}

// A reload keeps the state of what has an equal Config: it has to be a key of a map.
func TestConfigs_areComparable(t *testing.T) {
	r := &nobody{}
	keys := func() map[any]bool {
		return map[any]bool{
			timeout.Config{Limit: 1, Shadow: true, Recorder: r}:                                    true,
			resilience.BudgetConfig{Ratio: 0.1}:                                                    true,
			breaker.Config{FailureRatio: 0.5, Recorder: r}:                                         true,
			throttle.Config{Overloaded: resilience.MustOn("503"), Recorder: r}:                     true,
			fault.Config{AbortStatus: 503, Header: "x", Recorder: r}:                               true,
			fallback.Config{Static: fallback.Static{Status: 200}, Cache: fallback.Cache{On: true}}: true,
		}
	}
	for k := range keys() {
		if !keys()[k] {
			t.Errorf("two equal %T differ", k)
		}
	}
}
