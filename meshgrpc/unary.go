// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
)

// Unary is the interceptor of unary calls alone, for targets that the mesh does not
// resolve (xds:///, dns:///). There the endpoint is unknown, endpoint gates do not
// apply, attempts do not avoid endpoints already tried, pushback is read from the
// status only, and no error is known to be unsent.
func (c *Client) Unary() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		x := newUnaryCall()
		x.invoker, x.req, x.reply = invoker, req, reply
		x.describe(c, cc, method, enmesh.Unary, opts)
		x.Begin(ctx, x)
		link := enmesh.NewLink(&x.Carrier)
		x.Enter(c.router)
		err := x.RunIn(link)
		x.End(err, x.Call.Clock)
		err = x.answer(err)
		x.finished(err)
		x.recycle(link)
		return err
	}
}

// unaryCall is the record of one unary call: it is used again.
type unaryCall struct {
	exchange
	invoker    grpc.UnaryInvoker
	req, reply any
	pending    *pick // ended without an error, as grpc told the balancer
	picks      int32 // that the balancer has not reported on
	tried      bool  // an attempt was made
}

// unaryCalls has the records of calls that are over: a record is large, and grpc has
// nothing of a unary call left when the call returns.
var unaryCalls sync.Pool // of *unaryCall

func newUnaryCall() *unaryCall {
	if x, ok := unaryCalls.Get().(*unaryCall); ok {
		return x
	}
	return &unaryCall{}
}

// recycle gives the record back, unless somebody may still know it: another attempt,
// or a balancer that has not reported.
func (x *unaryCall) recycle(link *enmesh.Link) {
	if !x.Reusable() || x.picks != 0 {
		return
	}
	link.Cut()
	*x = unaryCall{}
	unaryCalls.Put(x)
}

// Send makes one attempt.
func (x *unaryCall) Send(ctx context.Context, c *enmesh.Call) error {
	x.inside, x.outside = nil, nil
	if e := x.unsendable(); e != nil {
		return e
	}
	if e := x.spent(ctx); e != nil {
		return e
	}
	x.tried = true
	defer x.abandon()
	err := x.invoker(x.sent(ctx), c.Path, x.req, x.reply, x.cc, x.options()...)
	switch {
	case x.pending != nil:
		err = settled(x.pending.info, err)
		x.conclude(ctx, err)
	case err == nil: // a foreign balancer
		x.Answered(enmesh.Now())
	}
	switch {
	case err == nil:
		c.Answer.Status = 200
		x.inside, x.outside = nil, nil
		if x.extras != nil && x.extras.header != nil {
			x.answerHeader(c)
		}
		return nil
	case x.inside != nil && x.outside == err: //nolint:errorlint // identity: the balancer has reported on this very error
		return x.hold(x.inside, err)
	}
	return x.fail(ctx, c, err)
}

// settled is the RPC's own error of an attempt that the balancer takes for a success.
func settled(info balancer.DoneInfo, err error) error {
	switch {
	case unwritten(info, err):
		return errUnwritten
	case err == io.EOF: //nolint:errorlint // grpc's own sentinel, never wrapped
		return errEarly
	}
	return err
}

// answerHeader shows policies the caller's own place for the header.
func (x *unaryCall) answerHeader(c *enmesh.Call) {
	if *x.extras.header == nil {
		*x.extras.header = map[string][]string{}
	}
	c.Answer.Header = received(*x.extras.header)
}

// settle hears from the balancer how an attempt ended; grpc calls it on the RPC's own
// goroutine, before Send goes on. What is reported as a success waits for Send.
func (x *unaryCall) settle(p *pick) {
	x.picks--
	x.abandon()
	if p.info.BytesReceived {
		x.Answered(p.at)
		x.Call.Answer.Status = 200
	}
	if len(p.info.Trailer) > 0 {
		x.Call.Answer.Trailer = received(p.info.Trailer)
	}
	if p.info.Err == nil {
		x.pending = p
		return
	}
	x.inside, x.outside = ofAttempt(p.ctx, &x.Call, p.info), p.info.Err
	p.release(x.inside, p.answered())
}

// conclude settles the attempt's pick by the RPC's own error.
func (x *unaryCall) conclude(ctx context.Context, err error) {
	p := x.pending
	x.pending = nil
	if err == nil {
		p.release(nil, p.at)
		return
	}
	p.info.Err = err
	x.inside, x.outside = ofAttempt(ctx, &x.Call, p.info), err
	p.release(x.inside, p.answered())
}

// abandon settles a pick that was left: grpc itself sent the call again, since the far
// side had not processed it, or an interceptor further in panicked.
func (x *unaryCall) abandon() {
	if p := x.pending; p != nil {
		x.pending = nil
		p.release(errUnprocessed, 0)
	}
}

// Sizes implements [enmesh.Sizer]: of the messages, with gRPC's prefix of five bytes, before
// they are compressed. An answer that is a status only has none; the size of a message that
// is not protobuf is not known, nor that of an answer that never came.
func (x *unaryCall) Sizes() (request, answer int64) {
	if x.tried {
		request = sizeOf(x.req)
	}
	if n, ok := sizeOfReply(&x.Call); ok {
		return request, n
	}
	switch {
	case x.Call.AnsweredAt() == 0:
		return request, -1
	case x.inside != nil:
		return request, 0
	}
	return request, sizeOf(x.reply)
}

// Replayable is true: the request message is encoded anew for each attempt.
func (x *unaryCall) Replayable() bool { return true }

// Discard drops the answer of an attempt.
func (x *unaryCall) Discard() { x.forget() }

var errReplyType = errors.New("meshgrpc: the call cannot run twice at once: its reply is not a pointer")

// Fork makes an attempt with a reply message of its own.
func (x *unaryCall) Fork(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	reply, err := newLike(x.reply)
	if err != nil {
		return nil, err
	}
	x.tried = true // by forks
	f := &unaryCall{invoker: x.invoker, req: x.req, reply: reply}
	f.Branch(ctx, f, c)
	f.branch(&x.exchange)
	return &f.Carrier, nil
}

// Adopt takes the winner's reply into the caller's message.
func (x *unaryCall) Adopt(winner enmesh.Exchange) {
	w, ok := winner.(*unaryCall)
	if !ok {
		return
	}
	x.inside, x.outside = w.inside, w.outside
	x.extras.take(w.extras)
	copyMessage(x.reply, w.reply)
}

// newLike is a new, empty message of m's type.
func newLike(m any) (any, error) {
	if p, ok := m.(proto.Message); ok {
		return p.ProtoReflect().New().Interface(), nil
	}
	t := reflect.TypeOf(m)
	if t == nil || t.Kind() != reflect.Pointer {
		return nil, errReplyType
	}
	return reflect.New(t.Elem()).Interface(), nil
}

// copyMessage makes to say what from says; both are of one type.
func copyMessage(to, from any) {
	if p, ok := to.(proto.Message); ok {
		proto.Reset(p)
		proto.Merge(p, from.(proto.Message)) //nolint:errcheck // newLike made it of the same type
		return
	}
	reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from).Elem())
}
