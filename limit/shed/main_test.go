// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/shed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var levels = []enmesh.Criticality{enmesh.Sheddable, enmesh.SheddablePlus, enmesh.Critical, enmesh.CriticalPlus}

// of is a context of each level, by rank.
var of = func() (all [4]context.Context) {
	for i, level := range levels {
		all[i] = enmesh.WithCriticality(context.Background(), level)
	}
	return all
}()

func mustNew(tb testing.TB, cfg shed.Config) *shed.Shedder {
	tb.Helper()
	s, err := shed.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func mustQueue(tb testing.TB, cfg shed.QueueConfig) *shed.Queue {
	tb.Helper()
	q, err := shed.NewQueue(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}
