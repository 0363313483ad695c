// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh"
)

// Stream is the interceptor of streaming calls alone; see [Client.Unary] for what
// is less on foreign targets.
//
// Client-streaming and bidi calls run their chain before the stream is handed out
// and may be retried until it is open. A server-streaming call on a route that
// resends runs its chain beside the caller, from SendMsg on, and may be retried
// until response headers arrive (the commit point of gRFC A6); its errors come from
// RecvMsg.
func (c *Client) Stream() grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		x := &streamCall{desc: desc, streamer: streamer}
		kind := kindOf(desc.ClientStreams, desc.ServerStreams)
		x.describe(c, cc, method, kind, opts)
		x.Begin(ctx, x)
		x.Lend(&x.hooks)
		route := x.Enter(c.router)
		if route.Resends && kind == enmesh.ServerStream {
			return newBesideStream(x), nil
		}
		return x.open()
	}
}

// streamCall is the record of one streaming call.
type streamCall struct {
	exchange
	desc     *grpc.StreamDesc
	streamer grpc.Streamer
	request  any      // beside mode: the one message to send
	beside   bool     // Send goes on until response headers arrive
	attempt  *attempt // the present one; nil: none is open
	first    attempt
	hooks    enmesh.Spare
	sizes    *sizes // of the latest attempt, or of the one adopted; nil: there was none
}

// Sizes implements [enmesh.Sizer]: of the messages that the caller has sent and got, with
// gRPC's prefix of five bytes each, before they are compressed. They are not known where one
// is not protobuf. There is no size of an answer when no stream was handed out.
func (x *streamCall) Sizes() (request, answer int64) {
	if x.sizes == nil {
		return 0, -1
	}
	request, answer = x.sizes.load()
	if x.attempt == nil {
		answer = -1
	}
	return request, answer
}

// open runs the chain and hands out the stream.
func (x *streamCall) open() (_ grpc.ClientStream, err error) {
	returned := false
	defer func() {
		if !returned {
			x.Discard()
		}
	}()
	err = x.Run()
	returned = true
	if err != nil || x.attempt == nil {
		x.Discard()
		x.End(err, x.Call.Clock)
		if err = x.result(err); err == nil {
			err = errNoStream
		}
		x.finished(err)
		return nil, err
	}
	return x.attempt.commit(x), nil
}

// errNoStream: a policy called it a success without sending the call.
var errNoStream = replyError(&enmesh.Reply{Status: 200})

// Send opens a stream; in beside mode it sends the request and waits for response
// headers as well.
func (x *streamCall) Send(ctx context.Context, c *enmesh.Call) error {
	x.inside, x.outside = nil, nil
	if e := x.unsendable(); e != nil {
		return e
	}
	if e := x.spent(ctx); e != nil {
		return e
	}
	a := newAttempt(ctx, x)
	x.attempt, x.sizes = a, &a.sizes // the balancer looks for the attempt there
	opts := slices.Concat(x.options(), []grpc.CallOption{grpc.OnFinish(a.finish)})
	cs, err := x.streamer(x.sent(a.ctx), x.desc, x.cc, c.Path, opts...)
	if err == nil && x.beside {
		err = x.pump(a, cs)
	}
	if err != nil {
		x.attempt = nil
		a.cancel()
		if a.reported == err || a.reported == errUnwritten { //nolint:errorlint // identity: the balancer has reported on this very error
			return x.hold(a.inside.Load(), a.reported)
		}
		return x.fail(ctx, c, err)
	}
	a.ClientStream = cs
	c.Answer.Status = 200
	return nil
}

// pump sends the request and waits for the answer's head. An answer that is over
// without a message is noted, so that the caller's message is left alone.
func (x *streamCall) pump(a *attempt, cs grpc.ClientStream) error {
	switch err := cs.SendMsg(x.request); {
	case err == nil:
		a.sizes.request.add(x.request)
	case !errors.Is(err, io.EOF):
		return err
	}
	if err := cs.CloseSend(); err != nil {
		return err
	}
	md, err := cs.Header()
	if err != nil {
		return err
	}
	a.head()
	if md != nil {
		a.header = md // a copy, which the chain may edit and the caller gets
		x.Call.Answer.Header = received(md)
		return nil
	}
	if err := cs.RecvMsg(nil); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	a.empty = true
	return nil
}

// Replayable is true: nothing of the caller's was sent before the chain returned,
// and in beside mode the one message is kept.
func (x *streamCall) Replayable() bool { return true }

// Discard cancels the stream held.
func (x *streamCall) Discard() {
	if x.attempt != nil {
		x.attempt.cancel()
		x.attempt = nil
	}
	x.forget()
}

var errStreamFork = errors.New("meshgrpc: only a server-streaming call on a route that resends can run twice at once")

// Fork makes an attempt at a server-streaming call beside others.
func (x *streamCall) Fork(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	if !x.beside {
		return nil, errStreamFork
	}
	f := &streamCall{desc: x.desc, streamer: x.streamer, request: x.request, beside: true}
	f.Branch(ctx, f, c)
	f.Lend(&f.hooks)
	f.branch(&x.exchange)
	return &f.Carrier, nil
}

// Adopt takes the winner's stream.
func (x *streamCall) Adopt(winner enmesh.Exchange) {
	w, ok := winner.(*streamCall)
	if !ok {
		return
	}
	x.inside, x.outside = w.inside, w.outside
	x.attempt, w.attempt = w.attempt, nil
}
