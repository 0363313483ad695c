// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/services"
)

// askers ask ratings once, from the places of reviews v2 and v3, over HTTP and gRPC.
func (r *running) askers() map[string]func() error {
	r.t.Helper()
	cc, err := r.node("reviews-v3-0").GRPC("ratings:9081")
	if err != nil {
		r.t.Fatal(err)
	}
	overHTTP, overGRPC := services.HTTPStars(r.node("reviews-v2-0").HTTP()), services.GRPCStars(cc)
	return map[string]func() error{
		"http": func() error { _, err := overHTTP(r.t.Context(), 0); return err },
		"grpc": func() error { _, err := overGRPC(r.t.Context(), 0); return err },
	}
}

// failures asks n times, a few at once, and counts how often in vain.
func failures(n int, ask func() error) int {
	var failed atomic.Int64
	each(n, 4, func(int) {
		if ask() != nil {
			failed.Add(1)
		}
	})
	return int(failed.Load())
}
