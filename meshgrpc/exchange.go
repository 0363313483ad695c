// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/slack"
)

// exchange is what a client's unary and streaming calls have in common: the call's
// record, and what the caller gave.
type exchange struct {
	enmesh.Carrier
	cc      *grpc.ClientConn
	opts    []grpc.CallOption
	extras  *extras       // nil: the caller asked for nothing of the kind
	inside  *enmesh.Error // what became of the RPC's error; nil: none is held
	outside error         // that error, as the caller gets it; nil: inside becomes a status
	writes  writes
	slack   slack.Keeper
}

// extras are the CallOptions of the caller that point at something of his.
type extras struct {
	authority string
	header    *metadata.MD
	trailer   *metadata.MD
	peer      *peer.Peer
	finish    []func(error)
}

// describe fills the Call before its chain runs.
func (x *exchange) describe(cl *Client, cc *grpc.ClientConn, method string, kind enmesh.Kind, opts []grpc.CallOption) {
	target := cc.Target()
	x.cc, x.opts, x.slack = cc, opts, cl.slack
	c := &x.Call
	c.Side, c.Protocol, c.Kind = enmesh.Client, enmesh.GRPC, kind
	c.Authority = endpointOf(target)
	c.Destination = splitPort(c.Authority)
	c.Method, c.Path, c.Scheme = "POST", method, "http"
	c.Header = (*outgoing)(x)
	c.Idempotent = cl.methods.idempotent(method)
	x.takeOptions()
	if cl.answerHeaders && kind == enmesh.Unary && (x.extras == nil || x.extras.header == nil) {
		x.more().header = new(metadata.MD)
		x.addOptions(grpc.Header(x.extras.header))
	}
}

// takeOptions looks for the CallOptions that concern the whole call. OnFinish is
// taken out: the caller hears of one end, however many attempts there were.
func (x *exchange) takeOptions() {
	for _, o := range x.opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			x.more().header = o.HeaderAddr
		case grpc.TrailerCallOption:
			x.more().trailer = o.TrailerAddr
		case grpc.PeerCallOption:
			x.more().peer = o.PeerAddr
		case grpc.OnFinishCallOption:
			e := x.more()
			e.finish = append(e.finish, o.OnFinish)
		case grpc.AuthorityOverrideCallOption:
			x.more().authority = o.Authority
			x.Call.Authority = o.Authority
		}
	}
	if x.extras != nil && x.extras.finish != nil {
		x.opts = slices.DeleteFunc(slices.Clone(x.opts), func(o grpc.CallOption) bool {
			_, is := o.(grpc.OnFinishCallOption)
			return is
		})
	}
}

func (x *exchange) more() *extras {
	if x.extras == nil {
		x.extras = &extras{}
	}
	return x.extras
}

func (x *exchange) addOptions(opts ...grpc.CallOption) {
	x.opts = slices.Concat(x.opts, opts)
}

// headers is the metadata that policies edit.
func (x *exchange) headers() *outgoing { return (*outgoing)(x) }

// previousKey is how gRPC counts the attempts before this one (gRFC A6).
const previousKey = "grpc-previous-rpc-attempts"

// sent is ctx with the metadata of an attempt, which says which one it is.
func (x *exchange) sent(ctx context.Context) context.Context {
	h := x.headers()
	if n := x.Call.Attempt; n > 1 {
		h.Set(enmesh.AttemptHeader, strconv.Itoa(n))
		h.Set(previousKey, strconv.Itoa(n-1))
	}
	return x.hurried(h.send(ctx))
}

// options are the CallOptions of an attempt; a policy may have rewritten the
// authority.
func (x *exchange) options() []grpc.CallOption {
	was := ""
	if x.extras != nil {
		was = x.extras.authority
	}
	if was == "" {
		was = endpointOf(x.cc.Target())
	}
	if x.Call.Authority == was {
		return x.opts
	}
	return append(slices.Clip(x.opts), grpc.CallAuthority(x.Call.Authority))
}

// errUnsendable is about what the caller or a policy wrote. grpc sees to the metadata.
var errUnsendable = &enmesh.Error{
	Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Unsent: true, Policy: "meshgrpc",
	Err: errors.New("the call's authority has control characters"),
}

// unsendable is why the call cannot be written; nil: it can.
func (x *exchange) unsendable() *enmesh.Error {
	for i := range len(x.Call.Authority) {
		if b := x.Call.Authority[i]; b <= ' ' || b == 0x7f {
			x.inside, x.outside = errUnsendable, nil
			return errUnsendable
		}
	}
	return nil
}

// forget drops what an attempt left behind, before the next.
func (x *exchange) forget() {
	x.inside, x.outside = nil, nil
	if x.extras == nil {
		return
	}
	if x.extras.header != nil {
		*x.extras.header = nil
	}
	if x.extras.trailer != nil {
		*x.extras.trailer = nil
	}
}

// hold keeps the RPC's error for the caller, and gives what the chain sees of it. A
// policy's error that ended the attempt becomes a status of its own; what the far
// side or grpc said stays as it is.
func (x *exchange) hold(inside *enmesh.Error, err error) *enmesh.Error {
	x.inside, x.outside = inside, err
	if inside.Policy != "" {
		x.outside = nil
	}
	return inside
}

// result is what the caller gets for the chain's final error: the RPC's own error
// if it is about that, else a status.
func (x *exchange) result(err error) error {
	switch {
	case err == nil:
		if r := x.Call.ReplyFor(nil); r != nil {
			return replyError(r)
		}
		return nil
	case x.outside != nil && errors.Is(err, x.inside):
		return x.outside
	}
	return asStatus(err)
}

// finished tells the caller's OnFinish options, once.
func (x *exchange) finished(err error) {
	if x.extras == nil {
		return
	}
	for _, f := range x.extras.finish {
		f(err)
	}
}

// forkOptions are x's options for an attempt that runs beside others: it gets places
// of its own for whatever points at something of the caller's.
func (x *exchange) forkOptions() ([]grpc.CallOption, *extras) {
	if x.extras == nil {
		return x.opts, nil
	}
	own := &extras{authority: x.extras.authority}
	opts := make([]grpc.CallOption, 0, len(x.opts))
	for _, o := range x.opts {
		switch o.(type) {
		case grpc.HeaderCallOption:
			own.header = new(metadata.MD)
			o = grpc.Header(own.header)
		case grpc.TrailerCallOption:
			own.trailer = new(metadata.MD)
			o = grpc.Trailer(own.trailer)
		case grpc.PeerCallOption:
			own.peer = new(peer.Peer)
			o = grpc.Peer(own.peer)
		}
		opts = append(opts, o)
	}
	return opts, own
}

// take copies what a fork collected to where the caller wants it.
func (e *extras) take(from *extras) {
	if e == nil || from == nil || e == from {
		return
	}
	if e.header != nil && from.header != nil {
		*e.header = *from.header
	}
	if e.trailer != nil && from.trailer != nil {
		*e.trailer = *from.trailer
	}
	if e.peer != nil && from.peer != nil {
		*e.peer = *from.peer
	}
}

// branch makes x a fork of from.
func (x *exchange) branch(from *exchange) {
	x.cc, x.slack = from.cc, from.slack
	x.opts, x.extras = from.forkOptions()
	x.writes = from.writes.fork()
	x.Call.Header = (*outgoing)(x)
}

// fail classifies the error of an RPC that our balancer has not reported on: it is
// a foreign one's, or there was no pick.
func (x *exchange) fail(ctx context.Context, c *enmesh.Call, err error) *enmesh.Error {
	if end := endOf(ctx, c, err); end != nil {
		return x.hold(end, err)
	}
	if why := x.WhyUnpicked(); why != nil {
		x.inside, x.outside = why, nil
		return why
	}
	return x.hold(ofUnseen(err), err)
}
