// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/slack"
	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// Client is the client side of the mesh for gRPC. One Client serves any number of
// ClientConns.
type Client struct {
	router        enmesh.Router
	source        balance.Source
	keepalive     keepalive.ClientParameters
	connection    balance.ConnectionConfig // where policy says nothing
	ownKeepalive  bool                     // keepalive was given
	answerHeaders bool
	slack         slack.Keeper
	methods       methods
	live          tlslive.Set // closes connections whose server is not believed any more
}

// unacknowledged is how long sent data may go without the far kernel's word for it: grpc
// makes it the TCP_USER_TIMEOUT of the connection, where there is one, which also bounds
// the operating system's probes.
const unacknowledged = balance.DefaultProbeIdle + balance.DefaultProbes*balance.DefaultProbeInterval

// connectDeadline bounds making a connection as a whole: addresses, TLS, and the first
// frame of HTTP/2. A server that is stopped accepts connections all the same.
const connectDeadline = 5 * time.Second

// NewClient makes the client side: r chooses each call's route, s knows the
// clusters. A nil s will do where only [Client.Unary] and [Client.Stream] are used,
// on targets that the mesh does not resolve.
func NewClient(r enmesh.Router, s balance.Source, opts ...ClientOption) *Client {
	c := &Client{
		router:    r,
		source:    s,
		keepalive: keepalive.ClientParameters{Time: 6 * time.Minute, Timeout: unacknowledged},
	}
	for _, o := range opts {
		o.client(c)
	}
	return c
}

// connectBackoff is grpc's, with a lower ceiling than its 120 s: an endpoint is tried 1 s
// after the first failure, then after growing times up to 3 s, give or take a fifth. No
// call is spent on that, and one that is back gets calls within 4 s. grpc counts from a
// failure, and its first pause has no jitter, so that no host is tried twice in a second.
var connectBackoff = backoff.Config{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second}

// serviceConfig names the balancer; nothing else, so that grpc's own retry is off.
const serviceConfig = `{"loadBalancingConfig":[{"` + BalancerName + `":{}}]}`

// DialOptions is all that grpc.NewClient("enmesh:///ratings", ...) needs: both
// interceptors, the resolver of the "enmesh" scheme, the balancer, a dialer, transport
// credentials and keepalive. "enmesh:///ratings:9081" names the service's port.
//
// How an endpoint is dialled is the Source's to say, if it is a balance.TLSSource;
// it is plaintext otherwise. grpc's own configured retries are off: retry is a
// policy's business. Its transparent retry, of calls that provably never left or
// were refused by the transport, stays. Options that come later in the list of
// grpc.NewClient go before these.
func (c *Client) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithResolvers(&resolverBuilder{client: c}),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableRetry(),
		grpc.WithTransportCredentials(newCredentials(c)),
		grpc.WithContextDialer(c.dial),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: connectBackoff, MinConnectTimeout: connectDeadline}),
		grpc.WithKeepaliveParams(c.keepalive),
		grpc.WithChainUnaryInterceptor(c.Unary()),
		grpc.WithChainStreamInterceptor(c.Stream()),
	}
}

// InterceptorOptions is for targets that the mesh does not resolve, xds:///ratings above all:
// both interceptors, and grpc's own configured retries off, since those of a route and those
// of the mesh would be multiplied. Everything else is as the program and its resolver have it.
//
//	cc, err := grpc.NewClient("xds:///ratings", append(client.InterceptorOptions(), grpc.WithTransportCredentials(creds))...)
//
// What such a resolver does itself the router's policy should not do again: faults would be
// injected twice. See [Client.Unary] for what is less there.
func (c *Client) InterceptorOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDisableRetry(),
		grpc.WithChainUnaryInterceptor(c.Unary()),
		grpc.WithChainStreamInterceptor(c.Stream()),
	}
}
