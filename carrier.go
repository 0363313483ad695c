// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "context"

// Exchange is the wire side of a Call: a request that can perhaps be sent again,
// and the answer it got. Adapters implement it; policies never see it.
type Exchange interface {
	// Send makes one attempt: pick, endpoint gates, wire. It sets the Call's Answer
	// and returns nil for success, else an *Error that it has classified.
	Send(ctx context.Context, c *Call) error
	// Replayable reports whether Send may be called once more.
	Replayable() bool
	// Discard drops the answer held, if any, and frees its connection.
	Discard()
	// Fork makes an Exchange for an attempt beside this one, bound to a Carrier with
	// Carrier.Branch.
	Fork(ctx context.Context, c *Call) (*Carrier, error)
	// Adopt takes over the answer of a fork.
	Adopt(winner Exchange)
}

// Sizer is what an [Exchange] that counts bytes is as well (see [Call.Sizes]). It is
// asked when the call has ended, on any goroutine; a negative count is unknown.
type Sizer interface {
	Sizes() (request, answer int64)
}

// Pather is what an [Exchange] is as well that knows how the caller wrote the path (see
// [Call.Written]).
type Pather interface {
	// Written is the path as it was called, decoded, and as it was written; raw is "" for
	// the plain way.
	Written() (path, raw string)
}

// Carrier is a Call and the context that carries it, in one piece: an adapter
// embeds it by value in its own record of the call, which is then the only
// allocation. Where records are used again, a [Link] is the context: contexts outlive calls.
type Carrier struct {
	context.Context //nolint:containedctx // the Carrier is a context
	Call            Call
}

// carrierKey finds the Carrier in a context.
type carrierKey struct{}

// Value finds the carrier itself, then what the parent context has.
func (k *Carrier) Value(key any) any {
	if _, ok := key.(carrierKey); ok {
		return k
	}
	return k.Context.Value(key)
}

// CarrierOf returns the innermost carrier of ctx, or nil. The gRPC picker uses it.
func CarrierOf(ctx context.Context) *Carrier {
	switch c := ctx.(type) {
	case *Carrier:
		return c
	case *Link:
		return c.carrier.Load()
	}
	k, _ := ctx.Value(carrierKey{}).(*Carrier)
	return k
}

// Begin binds the carrier to its context and wire side, and reads the clock.
func (k *Carrier) Begin(ctx context.Context, x Exchange) {
	k.Context = ctx
	c := &k.Call
	c.carrier, c.wire = k, x
	c.Attempt = 1
	c.Start = Now()
	c.Clock = c.Start
}

// Lend gives the call room for its hooks, before its chain runs.
func (k *Carrier) Lend(s *Spare) { k.Call.hooks.spare = s }

// Branch is Begin for a fork of from: the request's description is taken over, the
// Header (which the adapter copies) and the answer are not.
func (k *Carrier) Branch(ctx context.Context, x Exchange, from *Call) {
	k.Begin(ctx, x)
	c := &k.Call
	c.Side, c.Protocol, c.Kind, c.Idempotent = from.Side, from.Protocol, from.Kind, from.Idempotent
	c.Destination, c.Method, c.Path, c.Query = from.Destination, from.Method, from.Path, from.Query
	c.Scheme, c.Authority, c.Source, c.Key = from.Scheme, from.Authority, from.Source, from.Key
	c.Route, c.Expiry = from.Route, from.Expiry
	c.attempts = from.attempts
}

// Wire is the wire side that the carrier was bound to: gRPC's balancer, which finds
// the carrier in the RPC's context, reports there how an attempt ended.
func (k *Carrier) Wire() Exchange { return k.Call.wire }

// Enter routes the call: it sets the Call's Route and destination.
func (k *Carrier) Enter(r Router) *Route {
	c := &k.Call
	route := r.Route(c)
	c.Route = route
	if d := &route.Destination; d.Service != "" {
		c.Service, c.Subset = d.Service, d.Subset
		if d.Port != 0 {
			c.Port = d.Port
		}
	}
	return route
}

// Run runs the route's chain. Its hooks run when the wire has ended as well (see
// [Carrier.End]); a panic in the chain ends the call before it goes on.
func (k *Carrier) Run() error { return k.RunIn(k) }

// RunIn is Run in a context that carries k: k itself, or a [Link].
func (k *Carrier) RunIn(ctx context.Context) error {
	returned := false
	defer k.onPanic(&returned)
	err := k.Call.Route.Next(ctx, &k.Call)
	returned = true
	k.leave(err)
	return err
}

func (k *Carrier) onPanic(returned *bool) {
	if *returned {
		return
	}
	k.leave(ErrPanic)
	k.End(ErrPanic, Now())
}

// leave notes that the chain has returned err.
func (k *Carrier) leave(err error) {
	k.Call.hooks.chainErr = err
	k.passOn(err)
	k.half(chainEnded)
}

// Picked notes the endpoint of this attempt and when it was picked.
func (k *Carrier) Picked(e Endpoint, at Instant) {
	c := &k.Call
	c.Endpoint, c.picked, c.Clock = e, at, at
	if c.rare != nil {
		c.rare.unpicked = nil
	}
	if c.attempts != nil {
		c.attempts.note(e)
	}
}

// Unpicked notes why there is no endpoint for this attempt.
func (k *Carrier) Unpicked(e *Error) {
	k.Call.Endpoint = nil
	k.Call.seldom().unpicked = e
}

// WhyUnpicked is what Unpicked noted for this attempt, or nil: gRPC keeps only the
// text of a picker's plain error.
func (k *Carrier) WhyUnpicked() *Error {
	if k.Call.rare == nil {
		return nil
	}
	return k.Call.rare.unpicked
}

// Answered notes when the head of the answer came. Any goroutine may call it.
func (k *Carrier) Answered(at Instant) { k.Call.answered.CompareAndSwap(0, int64(at)) }

// End says how the wire ended, once; later calls do nothing. The hooks run when
// the chain has returned as well: a stream may end while its chain still runs. The
// chain's own error goes before err. Any goroutine may call it.
func (k *Carrier) End(err error, at Instant) {
	h := &k.Call.hooks
	if h.state.Or(endClaimed)&endClaimed != 0 {
		return
	}
	h.err, h.at = err, at
	k.passOn(err)
	k.half(wireEnded)
}

// passOn discourages whoever this process makes the call for from sending theirs again,
// when this one must not be sent again or was in vain often enough.
func (k *Carrier) passOn(err error) {
	if err == nil || k.Call.Side != Client {
		return
	}
	if e := ErrorOf(err); e != nil && (e.RetryAfter < 0 || e.Flag.Has(FlagRetriesExhausted)) {
		k.Call.DiscourageRetry()
	}
}

// half marks one half of the end; whoever brings the second runs the hooks.
func (k *Carrier) half(which uint32) {
	c := &k.Call
	before := c.hooks.state.Or(which)
	if before&which == 0 && (before|which)&(wireEnded|chainEnded) == wireEnded|chainEnded {
		c.hooks.run(c.endResult())
	}
}
