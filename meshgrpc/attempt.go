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
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// attempt is one opened stream, and that stream as the caller sees it. grpc tells of
// its end on any goroutine, perhaps before it has been handed out.
type attempt struct {
	grpc.ClientStream
	made    *streamCall     // whose attempt it was
	owner   *streamCall     // whose it is: made, or the call that adopted it; set by commit
	ctx     context.Context //nolint:containedctx // of the stream
	cancel  context.CancelFunc
	watcher enmesh.Watcher // of owner; set by commit; nil: nobody
	empty   bool           // the answer is over, without a message
	header  metadata.MD    // beside mode: the answer's, as policies left it; nil: none came
	expiry  *enmesh.Error  // Call.Expiry when the attempt began

	pending  *pick                        // ended without an error, as grpc told the balancer
	reported error                        // what grpc reported to the balancer
	inside   atomic.Pointer[enmesh.Error] // what became of it
	err      error                        // how the stream ended; written before bit attemptOver
	at       enmesh.Instant
	answered atomic.Int64 // an Instant: when the head came
	state    atomic.Uint32
	sizes    sizes
	last     any // the one message of the answer, which ends the stream; nil: there may be more
}

const (
	attemptOver      uint32 = 1 << iota // the stream has ended
	attemptCommitted                    // the stream was handed out
)

// newAttempt makes the next attempt of x; the first is part of its record.
func newAttempt(ctx context.Context, x *streamCall) *attempt {
	a := &x.first
	if a.made != nil {
		a = &attempt{}
	}
	a.made, a.expiry = x, x.Call.Expiry
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

// settle hears from the balancer how the stream ended; grpc holds the stream's lock.
// What is reported as a success waits for finish.
func (a *attempt) settle(p *pick) {
	a.abandon()
	if p.info.Err == nil {
		a.pending = p
		return
	}
	a.reported = p.info.Err
	a.conclude(p, a.classify(p.ctx, p.info))
}

// conclude settles a pick of the attempt.
func (a *attempt) conclude(p *pick, e *enmesh.Error) {
	a.inside.Store(e)
	answered := enmesh.Instant(a.answered.Load())
	if answered == 0 {
		answered = p.answered()
	}
	p.release(e, answered)
}

// abandon settles a pick that grpc has replaced by another: the far side had not
// processed the stream.
func (a *attempt) abandon() {
	if p := a.pending; p != nil {
		a.pending = nil
		p.release(errUnprocessed, 0)
	}
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
	a.owner, a.watcher, x.sizes = x, x.Watcher(), &a.sizes
	if a.state.Or(attemptCommitted)&attemptOver != 0 {
		a.end()
	}
	return a
}

// finish is told by grpc, once, that the stream is over: after the balancer, and
// perhaps on another goroutine.
func (a *attempt) finish(err error) {
	if err == io.EOF { //nolint:errorlint // grpc's own sentinel, never wrapped
		err = nil
	}
	p := a.pending
	if p != nil && unwritten(p.info, err) {
		err = errUnwritten
	}
	a.err, a.at = err, enmesh.Now()
	if err == nil && a.last != nil { // in RecvMsg, which has the message
		a.sizes.answer.add(a.last)
	}
	if p != nil {
		a.pending = nil
		var e *enmesh.Error
		if p.info.Err = err; err != nil {
			a.reported = err
			e = a.classify(a.ctx, p.info)
		}
		a.conclude(p, e)
	}
	if a.state.Or(attemptOver)&attemptCommitted != 0 {
		a.end()
	}
}

// end ends the call.
func (a *attempt) end() {
	x := a.owner
	var err error
	if a.err != nil {
		err = a.ended()
	}
	x.End(err, a.at)
	a.cancel()
	if a.made != x {
		x.extras.take(a.made.extras)
	}
	x.finished(a.outside(a.err))
}

// ended is what became of the stream's error.
func (a *attempt) ended() *enmesh.Error {
	if e := a.inside.Load(); e != nil {
		return e
	}
	e := enmesh.EndOf(a.ctx)
	if e == nil {
		e = ofStatus(a.err)
	}
	a.inside.Store(e)
	return e
}

// outside is what the caller gets for the stream's error: a policy's reason when it
// ended the call, else grpc's error as it is.
func (a *attempt) outside(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // grpc's own sentinel, never wrapped
		return err
	}
	e := a.inside.Load()
	if e == nil {
		e = enmesh.EndOf(a.ctx)
	}
	if e != nil && e.Policy != "" {
		return asStatus(e)
	}
	return err
}

// RecvMsg receives the next message. The first shows that the answer has begun; the
// last error says why when a policy ended the call.
func (a *attempt) RecvMsg(m any) error {
	if a.empty {
		return io.EOF
	}
	one := !a.made.desc.ServerStreams
	if one {
		a.last = m
	}
	err := a.ClientStream.RecvMsg(m)
	if err != nil {
		if err == io.EOF && a.state.Load()&attemptOver != 0 && a.err == errUnwritten { //nolint:errorlint // identity
			err = errUnwritten
		}
		return a.outside(err)
	}
	a.head()
	if !one {
		a.sizes.answer.add(m)
	}
	a.moved()
	return nil
}

// SendMsg sends the next message.
func (a *attempt) SendMsg(m any) error {
	err := a.ClientStream.SendMsg(m)
	if err == nil {
		a.sizes.request.add(m)
		a.moved()
	}
	return err
}

// moved tells who watches the call that a message has crossed the wire.
func (a *attempt) moved() {
	if a.watcher != nil {
		a.watcher.Moved()
	}
}

// Header waits for the answer's header.
func (a *attempt) Header() (metadata.MD, error) {
	md, err := a.ClientStream.Header()
	if err != nil {
		return md, a.outside(err)
	}
	if md != nil {
		a.head()
	}
	if a.header != nil {
		return a.header, nil
	}
	return md, nil
}
