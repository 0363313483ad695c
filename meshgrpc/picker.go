// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// picker is the balancer as grpc's picks see it.
type picker meshBalancer

// Pick chooses the endpoint of an RPC: the Call in its context says which cluster,
// the cluster's snapshot has the picker, the endpoint's gates have the last word. It
// never blocks.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	l := p.link.Load()
	k, s := callOf(info)
	d := l.own
	if k != nil {
		d = k.Call.Destination
	}
	cluster := l.client.source.Cluster(d, enmesh.GRPC)
	rs := (*p.sets.Load())[cluster]
	if rs == nil {
		(*meshBalancer)(p).join(cluster, d)
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	e, err := rs.pick(k)
	if err != nil {
		return balancer.PickResult{}, err
	}
	return admit(e, info, k, s, d)
}

// pick is an endpoint of the present snapshot. Its error is for grpc: a plain one
// fails calls that do not wait for readiness.
func (rs *readySet) pick(k *enmesh.Carrier) (*balance.Endpoint, error) {
	var c *enmesh.Call
	if k != nil {
		c = &k.Call
	}
	now := rs.current.Load()
	if now.picker != nil {
		e, err := now.picker.Pick(c)
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, balance.ErrAwaited):
			return nil, balancer.ErrNoSubConnAvailable
		}
		rs.doubt(now, errorOf(err))
	}
	if now.refusal == nil || now.changes != rs.changes.Load() { // the next publication is on its way
		return nil, balancer.ErrNoSubConnAvailable
	}
	if k != nil {
		k.Unpicked(now.refusal)
	}
	return nil, (*unready)(now.refusal)
}

// unready is an *enmesh.Error as a plain error: grpc must not find a status in its
// tree, which would end calls that wait for readiness.
type unready enmesh.Error

// Error is the *enmesh.Error's.
func (u *unready) Error() string { return (*enmesh.Error)(u).Error() }

// errRefused ends an RPC whose endpoint's gates refused it. The reason is on the
// Call.
var errRefused = status.Error(codes.Unavailable, "meshgrpc: refused by the endpoint's gates")

// admit passes the endpoint's gates.
func admit(e *balance.Endpoint, info balancer.PickInfo, k *enmesh.Carrier, s sink, d enmesh.Destination) (balancer.PickResult, error) {
	result, line, err := e.Attachment().(*conn).result(info) //nolint:errcheck // the views of a ready set have no other
	if err != nil {
		return balancer.PickResult{}, err
	}
	var c *enmesh.Call
	if k != nil {
		c = &k.Call
	} else {
		c = foreignCall(info, d)
	}
	p := newPick(info.Ctx, s, line)
	at := enmesh.Now()
	if err := enter(info.Ctx, e, k, s, p, c, at); err != nil {
		line.leave()
		p.free()
		if k == nil {
			return balancer.PickResult{}, asStatus(err)
		}
		k.Unpicked(errorOf(err))
		k.Call.Endpoint = e // so that the next attempt goes elsewhere
		return balancer.PickResult{}, errRefused
	}
	if k != nil {
		k.Picked(e, at)
	}
	if x, ok := s.(*unaryCall); ok {
		x.picks++
	}
	result.Done = p.done
	return result, nil
}

// enter passes the endpoint's gates, unless the attempt has no time left.
func enter(ctx context.Context, e *balance.Endpoint, k *enmesh.Carrier, s sink, p *pick, c *enmesh.Call, at enmesh.Instant) error {
	if deadline, ok := ctx.Deadline(); ok && k != nil {
		if late := spentAt(k, s, deadline, at); late != nil {
			return late
		}
	}
	return e.Admit(ctx, c, at, &p.admission)
}

// callOf is the Call of an RPC, and who hears of its attempts' ends. An RPC that did
// not come through our interceptors may have another call's context: that of the
// request being served, or of the call that a policy works for.
func callOf(info balancer.PickInfo) (*enmesh.Carrier, sink) {
	k := enmesh.CarrierOf(info.Ctx)
	if k == nil {
		return nil, nil
	}
	switch x := k.Wire().(type) {
	case *unaryCall:
		if k.Call.Path == info.FullMethodName {
			return k, x
		}
	case *streamCall:
		if k.Call.Path == info.FullMethodName && x.attempt != nil {
			return k, x.attempt
		}
	}
	return nil, nil
}

// foreignCall describes an RPC that has no Call, for the endpoint's gates.
func foreignCall(info balancer.PickInfo, d enmesh.Destination) *enmesh.Call {
	k := &enmesh.Carrier{}
	c := &k.Call
	c.Side, c.Protocol, c.Kind = enmesh.Client, enmesh.GRPC, enmesh.Bidi
	c.Destination, c.Method, c.Path, c.Scheme = d, "POST", info.FullMethodName, "http"
	c.Header = received{}
	k.Begin(info.Ctx, foreignExchange{})
	return c
}

// foreignExchange is the wire side of an RPC that grpc alone handles.
type foreignExchange struct{}

func (foreignExchange) Send(context.Context, *enmesh.Call) error { return enmesh.ErrUnsent }
func (foreignExchange) Replayable() bool                         { return false }
func (foreignExchange) Discard()                                 {}
func (foreignExchange) Adopt(enmesh.Exchange)                    {}

var errForeign = errors.New("meshgrpc: the call is not the mesh's")

func (foreignExchange) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) {
	return nil, errForeign
}

// errorOf is err as an *enmesh.Error.
func errorOf(err error) *enmesh.Error {
	if e := enmesh.ErrorOf(err); e != nil {
		return e
	}
	return &enmesh.Error{Code: enmesh.CodeOf(err), Outcome: enmesh.OutcomeOf(err), Unsent: true, Err: err}
}

// noLinkPicker fails the RPCs of a ClientConn that has our balancer but not our
// resolver.
type noLinkPicker struct{}

var errNoLink = errors.New("meshgrpc: the balancer works on connections made with Client.DialOptions only")

// Pick fails.
func (noLinkPicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{}, errNoLink
}
