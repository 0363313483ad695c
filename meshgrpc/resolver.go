// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"errors"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"

	"github.com/enmesh-go/enmesh"
)

// link is what the resolver hands to the balancer: who knows the clusters, and where
// the ClientConn's own target leads. Endpoints do not travel through the resolver:
// grpc would copy all of them on every change.
type link struct {
	client *Client
	own    enmesh.Destination
}

// linkKey finds the link in the resolver's state.
type linkKey struct{}

var errNoService = errors.New("meshgrpc: the target names no service: want enmesh:///service or enmesh:///service:port")

var errNoSource = errors.New("meshgrpc: the Client has no Source to resolve targets with")

// resolverBuilder is given to each ClientConn; nothing is registered.
type resolverBuilder struct{ client *Client }

// Scheme is [Scheme].
func (b *resolverBuilder) Scheme() string { return Scheme }

// Build pushes one state, once.
func (b *resolverBuilder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	if b.client.source == nil {
		return nil, errNoSource
	}
	own := splitPort(target.Endpoint())
	if own.Service == "" {
		return nil, errNoService
	}
	l := &link{client: b.client, own: own}
	if err := cc.UpdateState(resolver.State{Attributes: attributes.New(linkKey{}, l)}); err != nil {
		return nil, err
	}
	return fixedResolver{}, nil
}

// fixedResolver has nothing more to say.
type fixedResolver struct{}

func (fixedResolver) ResolveNow(resolver.ResolveNowOptions) {}
func (fixedResolver) Close()                                {}
