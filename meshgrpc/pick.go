// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"sync"

	"google.golang.org/grpc/balancer"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// sink hears how an attempt ended, and says what its endpoint's gates are told.
type sink interface {
	settle(ctx context.Context, info balancer.DoneInfo, at enmesh.Instant) enmesh.Result
}

// pick is what one pick took: the endpoint's admission, and who wants to hear of the
// end. Picks may be repeated or thrown away, so it is not the Call's. It is pooled
// with its Done function bound: a pick costs no allocation.
type pick struct {
	admission balance.Admission
	ctx       context.Context //nolint:containedctx // of the RPC, for the one question of why it ended
	sink      sink            // nil: nobody
	done      func(balancer.DoneInfo)
}

var picks sync.Pool // of *pick

func newPick(ctx context.Context, s sink) *pick {
	p, ok := picks.Get().(*pick)
	if !ok {
		p = &pick{}
		p.done = p.finish
	}
	p.ctx, p.sink = ctx, s
	return p
}

func (p *pick) free() {
	p.ctx, p.sink = nil, nil
	picks.Put(p)
}

// finish is told by grpc, once, how the RPC on this pick ended; it runs under locks of
// the stream. A pick that grpc has thrown away is told nothing at all.
func (p *pick) finish(info balancer.DoneInfo) {
	at := enmesh.Now()
	var r enmesh.Result
	switch {
	case info.Err == nil && !info.BytesSent:
		r = enmesh.Result{Err: enmesh.ErrUnsent, Outcome: enmesh.Neutral, Ended: at}
	case p.sink != nil:
		r = p.sink.settle(p.ctx, info, at)
	default:
		r = foreignResult(info, at)
	}
	p.admission.Release(r)
	p.free()
}

func foreignResult(info balancer.DoneInfo, at enmesh.Instant) enmesh.Result {
	r := enmesh.Result{Ended: at}
	if info.Err != nil {
		e := ofCode(info)
		r.Err, r.Outcome = e, e.Outcome
	}
	return r
}
