// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/hedge"
)

// record is what an adapter keeps of a call or of an attempt beside others: here one that
// is answered at once.
type record struct{ enmesh.Carrier }

// Send answers.
func (*record) Send(context.Context, *enmesh.Call) error { return nil }

// Replayable is true.
func (*record) Replayable() bool { return true }

// Discard has nothing to drop.
func (*record) Discard() {}

// Fork is another record.
func (r *record) Fork(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	f := &record{}
	f.Branch(ctx, f, c)
	return &f.Carrier, nil
}

// Adopt has nothing to take.
func (*record) Adopt(enmesh.Exchange) {}

// ourHedge is a call whose first attempt, on a goroutine of its own, is answered before the delay
// is over. Its figures have the records of the call and of the attempt in them.
func ourHedge() (*subject, error) {
	m, err := hedge.New(hedge.Config{Delay: time.Hour})
	if err != nil {
		return nil, err
	}
	router, ctx := enmesh.Fixed(true, m), context.Background()
	return ask(func() bool {
		r := &record{}
		r.Call.Idempotent, r.Call.Protocol = true, enmesh.GRPC
		r.Begin(ctx, r)
		r.Enter(router)
		err := r.Run()
		r.End(err, enmesh.Now())
		return err == nil
	}), nil
}
