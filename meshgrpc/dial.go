// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc/credentials"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/sock"
)

// dialledTo is the endpoint that a connection is made to, nil where it is none of the
// mesh's. grpc shows the dialer and the credentials the attributes of the address.
func dialledTo(ctx context.Context) *balance.Endpoint {
	e, _ := credentials.ClientHandshakeInfoFromContext(ctx).Attributes.Value(endpointKey{}).(*balance.Endpoint)
	return e
}

// connectionTo is how an endpoint is to be connected to: as policy says, else the
// program, else by default.
func (c *Client) connectionTo(e *balance.Endpoint) balance.ConnectionConfig {
	var cfg balance.ConnectionConfig
	if e != nil {
		if set := e.Cluster().Set(); set != nil {
			cfg = set.Connection
		}
	}
	return cfg.Or(c.connection).Or(balance.DefaultConnection)
}

// dial connects to one address within the endpoint's time for it.
func (c *Client) dial(ctx context.Context, addr string) (net.Conn, error) {
	cfg := c.connectionTo(dialledTo(ctx))
	network, addr := networkOf(addr)
	return sock.Dialer(sock.Config{
		Timeout: max(cfg.ConnectTimeout, 0), Idle: cfg.ProbeIdle, Interval: cfg.ProbeInterval, Probes: cfg.Probes,
	}).DialContext(ctx, network, addr)
}

// networkOf tells a socket of this machine, "unix:relative/path" or "unix:///a/path", from
// "host:port".
func networkOf(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", strings.TrimPrefix(path, "//")
	}
	return "tcp", addr
}

// watch has a connection ask whether its far side lives, unless pings are off, or grpc's
// own were asked for.
func (c *Client) watch(e *balance.Endpoint, conn net.Conn) net.Conn {
	cfg := c.connectionTo(e)
	if e == nil || cfg.PingInterval < 0 || c.ownKeepalive {
		return conn
	}
	return newPulse(conn, e, cfg)
}
