// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// attempt is one opened stream. grpc tells of its end on any goroutine, perhaps
// before it has been handed out.
type attempt struct {
	made   *streamCall     // whose attempt it was
	owner  *streamCall     // whose it is: made, or the call that adopted it; set by commit
	ctx    context.Context //nolint:containedctx // of the stream
	cancel context.CancelFunc
	stream grpc.ClientStream
	empty  bool          // the answer is over, without a message
	expiry *enmesh.Error // Call.Expiry when the attempt began

	reported error         // what grpc reported to the balancer; written before the end is told
	inside   *enmesh.Error // what became of it
	err      error         // how the stream ended; written before bit attemptOver
	at       enmesh.Instant
	answered atomic.Int64 // an Instant: when the head came
	state    atomic.Uint32
}

const (
	attemptOver      uint32 = 1 << iota // the stream has ended
	attemptCommitted                    // the stream was handed out
)

func newAttempt(ctx context.Context, x *streamCall) *attempt {
	a := &attempt{made: x, expiry: x.Call.Expiry}
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// settle hears from the balancer how the stream ended.
func (a *attempt) settle(ctx context.Context, info balancer.DoneInfo, at enmesh.Instant) enmesh.Result {
	r := enmesh.Result{Answered: enmesh.Instant(a.answered.Load()), Ended: at}
	if r.Answered == 0 && info.BytesReceived {
		r.Answered = at
	}
	if info.Err != nil {
		a.inside, a.reported = a.classify(ctx, info), info.Err
		r.Err, r.Outcome = a.inside, a.inside.Outcome
	}
	return r
}

// classify is ofAttempt on a goroutine that must not read Call.Expiry, since the
// chain may still run: a far side that ran out of time at the deadline it was told
// speaks for the owner of that deadline (see enmesh.Call.DeadlineOwner).
func (a *attempt) classify(ctx context.Context, info balancer.DoneInfo) *enmesh.Error {
	c := &a.made.Call
	if status.Code(info.Err) != codes.DeadlineExceeded || ctx.Err() != nil {
		return ofAttempt(ctx, c, info)
	}
	deadline, ok := ctx.Deadline()
	switch {
	case !ok || time.Until(deadline) > deadlineSlack:
		return ofCode(info)
	case a.expiry != nil:
		return a.expiry
	case enmesh.Now().Sub(c.PickedAt())+deadlineSlack >= patienceOf(c.Route):
		return enmesh.ErrSlow
	}
	return enmesh.ErrDeadline
}

// deadlineSlack is how near to a deadline the far side's DEADLINE_EXCEEDED is that
// deadline's own.
const deadlineSlack = 50 * time.Millisecond

// patienceOf is how long an attempt may take before a caller's deadline counts
// against the endpoint.
func patienceOf(r *enmesh.Route) time.Duration {
	if r != nil && r.AttemptTimeout > 0 {
		return r.AttemptTimeout
	}
	return time.Second
}

// head notes when the answer's head came.
func (a *attempt) head() {
	if a.answered.Load() != 0 {
		return
	}
	at := enmesh.Now()
	if a.answered.CompareAndSwap(0, int64(at)) {
		a.made.Answered(at)
		if a.owner != nil && a.owner != a.made {
			a.owner.Answered(at)
		}
	}
}

// commit hands the stream out as x's. From now on its end is the end of x.
func (a *attempt) commit(x *streamCall) grpc.ClientStream {
	a.owner = x
	if a.state.Or(attemptCommitted)&attemptOver != 0 {
		a.end()
	}
	return &clientStream{ClientStream: a.stream, attempt: a}
}

// finish is told by grpc, once, that the stream is over.
func (a *attempt) finish(err error) {
	a.err, a.at = err, enmesh.Now()
	if a.state.Or(attemptOver)&attemptCommitted != 0 {
		a.end()
	}
}

// end ends the call.
func (a *attempt) end() {
	x := a.owner
	err := error(nil)
	if a.err != nil && a.err != io.EOF { //nolint:errorlint // grpc's own sentinel, never wrapped
		if a.inside == nil {
			a.inside = ofStatus(a.err)
			if end := enmesh.EndOf(a.ctx); end != nil {
				a.inside = end
			}
		}
		err = a.inside
	}
	x.End(err, a.at)
	a.cancel()
	if a.made != x {
		x.extras.take(a.made.extras)
	}
	x.finished(a.outside(a.err))
}

// outside is what the caller gets for the stream's error: a policy's reason when it
// ended the call, else grpc's error as it is.
func (a *attempt) outside(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // grpc's own sentinel, never wrapped
		return err
	}
	if e := a.inside; e != nil && e.Policy != "" {
		return asStatus(e)
	}
	return err
}
