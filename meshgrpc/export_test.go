// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/enmesh-go/enmesh"
)

// StateFor is the one state that the resolver pushes for a target of service.
func StateFor(c *Client, service string) balancer.ClientConnState {
	l := &link{client: c, own: enmesh.Destination{Service: service}}
	return balancer.ClientConnState{ResolverState: resolver.State{Attributes: attributes.New(linkKey{}, l)}}
}

// The records of a call, for tests of their sizes.
type (
	UnaryCall  = unaryCall
	StreamCall = streamCall
	ServedCall = served
)

var (
	DestinationOf = destinationOf
	ParsePushback = parsePushback
	PushbackText  = pushbackText
)

// Idempotent asks a new cache.
func Idempotent(path string) bool { return new(methods).idempotent(path) }

// Methods is how many methods a cache remembers after it was asked for n.
func Methods(n int, name func(int) string) int {
	m := new(methods)
	for i := range n {
		m.idempotent(name(i))
	}
	return len(*m.known.Load())
}

// PickInfoOf is what grpc would give to Pick for a unary call to service.
func PickInfoOf(ctx context.Context, service string) balancer.PickInfo {
	x := &unaryCall{}
	x.Call.Path, x.Call.Service = "/a/b", service
	x.Begin(ctx, x)
	return balancer.PickInfo{Ctx: &x.Carrier, FullMethodName: "/a/b"}
}

// FollowFrames follows pieces of one direction of a connection. It says after which of them
// another frame may be put in.
func FollowFrames(preface int, pieces ...[]byte) (between []bool) {
	f := frames{rest: preface}
	for _, p := range pieces {
		f.follow(p)
		between = append(between, f.between())
	}
	return between
}
