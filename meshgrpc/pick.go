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

// sink hears how an RPC ended on a pick, and releases the pick: at once, or when it
// knows more. grpc reports a stream that broke while the client was still sending as
// a success; the truth comes with the RPC's own error.
type sink interface {
	settle(p *pick)
}

// pick is what one pick took: the endpoint's admission, and who wants to hear of the
// end. Picks may be repeated or thrown away, so it is not the Call's. It is pooled
// with its Done function bound: a pick costs no allocation.
type pick struct {
	admission balance.Admission
	ctx       context.Context //nolint:containedctx // of the RPC, for the one question of why it ended
	sink      sink            // nil: nobody
	line      *line
	done      func(balancer.DoneInfo)
	info      balancer.DoneInfo // what grpc reported
	at        enmesh.Instant    // and when
}

var picks sync.Pool // of *pick

func newPick(ctx context.Context, s sink, l *line) *pick {
	p, ok := picks.Get().(*pick)
	if !ok {
		p = &pick{}
		p.done = p.finish
	}
	p.ctx, p.sink, p.line = ctx, s, l
	return p
}

// finish is told by grpc, once, how the RPC on this pick ended; it runs under locks of
// the stream. A pick that grpc has thrown away is told nothing at all.
func (p *pick) finish(info balancer.DoneInfo) {
	p.info, p.at = info, enmesh.Now()
	p.line.leave()
	switch {
	case info.Err == nil && !info.BytesSent:
		p.release(enmesh.ErrUnsent, 0)
	case p.sink != nil:
		p.sink.settle(p)
	case info.Err != nil:
		p.release(ofCode(info), 0)
	default:
		p.release(nil, 0)
	}
}

// release tells the endpoint and its gates. answered is when the answer's head came;
// 0: none came.
func (p *pick) release(err *enmesh.Error, answered enmesh.Instant) {
	r := enmesh.Result{Answered: answered, Ended: p.at}
	if err != nil {
		r.Err, r.Outcome = err, err.Outcome
	}
	p.admission.Release(r)
	p.free()
}

// answered is when the head came of an RPC that has no messages before its end.
func (p *pick) answered() enmesh.Instant {
	if p.info.BytesReceived {
		return p.at
	}
	return 0
}

func (p *pick) free() {
	p.ctx, p.sink, p.line, p.info = nil, nil, nil, balancer.DoneInfo{}
	picks.Put(p)
}
