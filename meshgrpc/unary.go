// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"reflect"

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
		x := &unaryCall{invoker: invoker, req: req, reply: reply}
		x.describe(c, cc, method, enmesh.Unary, opts)
		x.Begin(ctx, x)
		x.Enter(c.router)
		err := x.Run()
		x.End(err, x.Call.Clock)
		err = x.result(err)
		x.finished(err)
		return err
	}
}

// unaryCall is the record of one unary call: all that it costs is this allocation.
type unaryCall struct {
	exchange
	invoker    grpc.UnaryInvoker
	req, reply any
}

// Send makes one attempt.
func (x *unaryCall) Send(ctx context.Context, c *enmesh.Call) error {
	x.inside, x.outside = nil, nil
	err := x.invoker(x.headers().send(ctx), c.Path, x.req, x.reply, x.cc, x.options()...)
	switch {
	case err == nil:
		if c.PickedAt() == 0 { // a foreign balancer
			x.Answered(enmesh.Now())
		}
		x.inside = nil
		c.Answer.Status = 200
		if x.extras != nil && x.extras.header != nil {
			x.answerHeader(c)
		}
		return nil
	case x.inside != nil && x.outside == err: //nolint:errorlint // identity: the balancer has reported on this very error
		return x.hold(x.inside, err)
	}
	return x.fail(ctx, c, err)
}

// answerHeader shows policies the caller's own place for the header.
func (x *unaryCall) answerHeader(c *enmesh.Call) {
	if *x.extras.header == nil {
		*x.extras.header = map[string][]string{}
	}
	c.Answer.Header = received(*x.extras.header)
}

// settle hears from the balancer how an attempt ended; grpc calls it on the RPC's own
// goroutine, before Send goes on.
func (x *unaryCall) settle(ctx context.Context, info balancer.DoneInfo, at enmesh.Instant) enmesh.Result {
	r := enmesh.Result{Ended: at}
	if info.Err != nil {
		x.inside, x.outside = ofAttempt(ctx, &x.Call, info), info.Err
		r.Err, r.Outcome = x.inside, x.inside.Outcome
	}
	if info.BytesReceived {
		r.Answered = at
		x.Answered(at)
		x.Call.Answer.Status = 200
	}
	if len(info.Trailer) > 0 {
		x.Call.Answer.Trailer = received(info.Trailer)
	}
	return r
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
		proto.Merge(p, from.(proto.Message)) //nolint:forcetypeassert // newLike made it of the same type
		return
	}
	reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from).Elem())
}
