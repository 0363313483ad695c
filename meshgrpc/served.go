// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
)

// served is one call on the server: its record and its Exchange. Send runs the handler.
// That of a unary call is used again when the call is over (see recycle).
type served struct {
	enmesh.Carrier
	server    *Server
	link      *enmesh.WatchedLink // the context of the chain and the handler; nil after a panic
	req, resp any                 // unary: the messages; streaming: the service implementation
	unary     grpc.UnaryHandler
	streaming *streaming  // nil: a unary call
	edited    metadata.MD // the request's metadata, once a policy has written it
	added     *added      // nil: policies added nothing to the answer
	failed    *failed     // nil: the handler has not failed
}

// streaming is what a streaming call has besides.
type streaming struct {
	handler grpc.StreamHandler
	stream  grpc.ServerStream
	hooks   enmesh.Spare
	sizes   sizes
}

// added is what policies add to an answer.
type added struct{ header, trailer received }

// failed is the handler's own error, and what became of it.
type failed struct {
	inside  *enmesh.Error
	outside error
}

var errPanic = &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Policy: "meshgrpc", Err: errors.New("panic")}

// unaries has the records of unary calls that are over.
var unaries sync.Pool // of *served

func newServed(s *Server) *served {
	x, ok := unaries.Get().(*served)
	if !ok {
		x = new(served)
	}
	x.server = s
	return x
}

// recycle gives the record back, unless somebody may still know it: who looked the Call
// up in the handler's context, or where a panic came from.
func (x *served) recycle() {
	if x.link == nil || !x.Reusable() || !x.link.Cut() {
		return
	}
	*x = served{}
	unaries.Put(x)
}

// serve runs the call's chain, and its handler in it.
func (x *served) serve(ctx context.Context, method string, kind enmesh.Kind) (err error) {
	if e := x.begin(ctx, method, kind); e != nil {
		return x.server.reject(kind, e)
	}
	defer func() {
		if v := recover(); v != nil {
			x.link = nil
			x.server.onPanic(ctx, method, v, debug.Stack())
			err = x.refuse(errPanic)
		}
	}()
	x.Enter(x.server.router)
	if err = x.RunIn(x.link); err != nil {
		x.resp = nil // it does not go out
	}
	x.End(err, x.Call.Clock)
	return x.finish(err)
}

// begin describes the call, or says why it is refused before any policy sees it.
func (x *served) begin(ctx context.Context, method string, kind enmesh.Kind) *enmesh.Error {
	x.Begin(ctx, x)
	x.link = new(enmesh.WatchedLink)
	x.link.Tie(&x.Carrier)
	c := &x.Call
	c.Side, c.Protocol, c.Kind = enmesh.Server, enmesh.GRPC, kind
	c.Method, c.Path, c.Scheme = "POST", method, "http"
	c.Header = (*incoming)(x)
	c.Source = x.server.sourceOf(ctx)
	md := metadataOf(ctx)
	x.strip(md)
	if e := x.authority(md); e != nil {
		return e
	}
	if c.Source != nil && c.Source.TLS != nil {
		c.Scheme = "https"
		if x.server.misdirected(c) {
			return errMisdirected
		}
	}
	c.Answer.Header, c.Answer.Trailer = (*answerHeader)(x), (*answerTrailer)(x)
	if x.streaming != nil {
		x.Lend(&x.streaming.hooks)
	}
	return nil
}

// Send runs the handler, unless the caller's time is over already.
func (x *served) Send(ctx context.Context, c *enmesh.Call) error {
	if e := c.EndOf(ctx); e != nil {
		return e
	}
	ctx = (*incoming)(x).handed(ctx)
	var err error
	if x.unary != nil {
		x.resp, err = x.unary(ctx, x.req)
	} else {
		x.headStart()
		err = x.streaming.handler(x.req, &serverStream{ServerStream: x.streaming.stream, ctx: ctx, carrier: &x.Carrier, watcher: x.Watcher(), sizes: &x.streaming.sizes})
	}
	at := enmesh.Now()
	x.Answered(at)
	c.Clock = at
	c.Answer.Status = 200
	if err == nil {
		return nil
	}
	e := x.classify(ctx, err)
	if e.Policy == "" { // else a policy ended the call, and says so better than the handler
		x.failed = &failed{inside: e, outside: err}
	}
	return e
}

// classify says what the handler's error means: an end of the call's context is the
// caller's, or that of the policy whose deadline it was.
func (x *served) classify(ctx context.Context, err error) *enmesh.Error {
	e := ofStatus(err)
	switch e.Code {
	case enmesh.DeadlineExceeded:
		if owner := x.Call.DeadlineOwner(ctx); owner != nil {
			return owner
		}
	case enmesh.Canceled:
		if owner := enmesh.EndOf(ctx); owner != nil {
			return owner
		}
	}
	return e
}

// finish hands out what policies added to the answer, and the chain's error as a
// status.
func (x *served) finish(err error) error {
	switch {
	case err == nil:
		return x.answer()
	case x.failed != nil && errors.Is(err, x.failed.inside):
		if x.Call.RetryDiscouraged() {
			x.adds().trailer.Set(pushbackKey, pushbackText(-1))
		}
		return x.flush(x.failed.outside)
	}
	return x.refuse(err)
}

// refuse is the status of a policy's error, with its pushback in the trailer. A
// panic's text stays here.
func (x *served) refuse(err error) error {
	var p *enmesh.PanicError
	if errors.As(err, &p) {
		x.server.onPanic(x.Carrier.Context, x.Call.Path, p.Value, p.Stack)
		err = errPanic
	}
	out := asStatus(err)
	if e := enmesh.ErrorOf(err); e != nil {
		if e.RetryAfter != 0 {
			x.adds().trailer.Set(pushbackKey, pushbackText(e.RetryAfter))
		}
		if s, ok := out.(*statusError); ok && e == errPanic { //nolint:errorlint // asStatus made it just now
			s.text = "internal error"
		}
	}
	return x.flush(out)
}

// flush sends the header and trailer that policies added; it returns err. When the
// handler has sent its header already, an added one comes too late and is dropped.
func (x *served) flush(err error) error {
	if x.added == nil {
		return err
	}
	ctx := x.Carrier.Context
	if len(x.added.header) > 0 {
		_ = grpc.SetHeader(ctx, metadata.MD(x.added.header))
	}
	if len(x.added.trailer) > 0 {
		_ = grpc.SetTrailer(ctx, metadata.MD(x.added.trailer))
	}
	return err
}

// headStart hands gRPC the header that policies have added so far: a stream's goes out
// with its first message, while the handler still runs.
func (x *served) headStart() {
	if x.added != nil && len(x.added.header) > 0 {
		_ = grpc.SetHeader(x.Carrier.Context, metadata.MD(x.added.header))
		x.added.header = received{}
	}
}

// adds is what policies add to the answer, for one to be added.
func (x *served) adds() *added {
	if x.added == nil {
		x.added = &added{header: received{}, trailer: received{}}
	}
	return x.added
}

// Sizes implements [enmesh.Sizer]: of the messages that the handler has got and sent, with
// gRPC's prefix of five bytes each, before they are compressed; they are not known where one
// is not protobuf. An answer that is a status only has none.
func (x *served) Sizes() (request, answer int64) {
	switch {
	case x.unary == nil:
		return x.streaming.sizes.load()
	case x.resp != nil:
		return sizeOf(x.req), sizeOf(x.resp)
	}
	answer, _ = sizeOfReply(&x.Call)
	return sizeOf(x.req), answer
}

// Replayable is false: a handler runs once.
func (x *served) Replayable() bool { return false }

// Discard does nothing: there is no answer to drop.
func (x *served) Discard() {}

var errServerFork = errors.New("meshgrpc: a server's call cannot be forked")

// Fork fails.
func (x *served) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) {
	return nil, errServerFork
}

// Adopt is never called.
func (x *served) Adopt(enmesh.Exchange) {}
