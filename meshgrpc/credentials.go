// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// endpointKey finds the endpoint in the attributes of an address that is dialled.
type endpointKey struct{}

func endpointAttributes(e *balance.Endpoint) *attributes.Attributes {
	return attributes.New(endpointKey{}, e)
}

// TLSInfo is the AuthInfo of a client's TLS connection. The configuration of the
// handshake has checked who the far side is, by its identity and not by a host name,
// so any authority may be asked of it.
type TLSInfo struct{ credentials.TLSInfo }

// ValidateAuthority accepts every authority: routes may rewrite it.
func (TLSInfo) ValidateAuthority(string) error { return nil }

// dialCredentials decides for each endpoint how its connection is made.
type dialCredentials struct {
	client   *Client
	tls      balance.TLSSource // nil: always plaintext
	insecure credentials.TransportCredentials
}

func newCredentials(c *Client) credentials.TransportCredentials {
	t, _ := c.source.(balance.TLSSource)
	return &dialCredentials{client: c, tls: t, insecure: insecure.NewCredentials()}
}

// ClientHandshake makes the connection as the Source wants it for the endpoint, and has it
// watched.
func (d *dialCredentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := d.handshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, err
	}
	return d.client.watch(dialledTo(ctx), conn), info, nil
}

func (d *dialCredentials) handshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	cfg, err := d.configOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	if cfg == nil {
		return d.insecure.ClientHandshake(ctx, authority, d.exposed(dialledTo(ctx), raw))
	}
	if cfg.ServerName != "" {
		authority = cfg.ServerName
	}
	kept := d.client.live.Wrap(raw)
	conn, info, err := credentials.NewTLS(cfg).ClientHandshake(ctx, authority, kept)
	if err != nil {
		return nil, nil, err
	}
	if t, ok := info.(credentials.TLSInfo); ok {
		d.keep(dialledTo(ctx), kept, t.State, cfg)
		info = TLSInfo{t}
	}
	return conn, info, nil
}

var errExposed = errors.New("meshgrpc: the connection is in plaintext, and policy wants TLS")

// exposed is a connection in plaintext that ends once the Source wants TLS for its endpoint:
// another one takes its place then, and what is still on it a moment later is cut.
func (d *dialCredentials) exposed(e *balance.Endpoint, raw net.Conn) net.Conn {
	if d.tls == nil || e == nil {
		return raw
	}
	kept, warned := d.client.live.Wrap(raw), false
	kept.Keep(func() error {
		switch c, ok := e.Attachment().(*conn); {
		case d.tls.ClientTLS(e) == nil:
			warned = false
		case warned || !ok:
			return errExposed
		default:
			warned = true
			c.renew()
		}
		return nil
	})
	return kept
}

// keep has a connection that was made by the mesh's cfg checked while it is open, as the
// mesh would check a new one to the endpoint at that time, and replaced before a
// certificate of it ends.
func (d *dialCredentials) keep(e *balance.Endpoint, kept *tlslive.Conn, state tls.ConnectionState, cfg *tls.Config) {
	if cfg.VerifyConnection == nil || e == nil {
		return
	}
	kept.Keep(func() error {
		if cfg := d.tls.ClientTLS(e); cfg != nil && cfg.VerifyConnection != nil {
			return cfg.VerifyConnection(state)
		}
		return nil
	})
	if c, ok := e.Attachment().(*conn); ok {
		own, peer := tlslive.Ends(cfg, &state)
		c.use.Store(int64(tlslive.Use(time.Now(), rand.Float64(), own, peer)))
	}
}

var errUnknownEndpoint = errors.New("meshgrpc: the connection belongs to no endpoint of the mesh, so it is not known how to secure it")

// configOf asks the Source; what it does not know is not dialled.
func (d *dialCredentials) configOf(ctx context.Context) (*tls.Config, error) {
	if d.tls == nil {
		return nil, nil
	}
	e := dialledTo(ctx)
	if e == nil {
		return nil, errUnknownEndpoint
	}
	return d.tls.ClientTLS(e), nil
}

// ServerHandshake is never asked of a client's credentials.
func (d *dialCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return d.insecure.ServerHandshake(raw)
}

// Info says "tls" when endpoints may be dialled with it.
func (d *dialCredentials) Info() credentials.ProtocolInfo {
	if d.tls == nil {
		return d.insecure.Info()
	}
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone is d: it holds no state.
func (d *dialCredentials) Clone() credentials.TransportCredentials { return d }

// OverrideServerName is not used by grpc any more.
func (d *dialCredentials) OverrideServerName(string) error { return nil }
