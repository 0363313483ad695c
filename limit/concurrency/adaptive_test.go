// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh/limit/concurrency"
)

var ctx = context.Background()

func mustAdaptive(tb testing.TB, cfg concurrency.AdaptiveConfig) *concurrency.Adaptive {
	tb.Helper()
	a, err := concurrency.NewAdaptive(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}
