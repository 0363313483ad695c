// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh/security"
)

// connInfo is what a stream knows of its connection.
type connInfo struct {
	credentials.CommonAuthInfo
	peer Peer
	conn net.Conn
}

// AuthType names the way by which the peer is known.
func (c connInfo) AuthType() string {
	switch {
	case !c.peer.ID.IsZero():
		return "tls"
	case c.peer.Known:
		return "unix"
	}
	return "insecure"
}

// cut closes the connection, with what waits in it.
func (c connInfo) cut() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

// connOf is the connection of a stream.
func connOf(ctx context.Context) connInfo {
	if p, ok := peer.FromContext(ctx); ok {
		if c, ok := p.AuthInfo.(connInfo); ok {
			return c
		}
	}
	return connInfo{}
}

// serverCreds learns who is at the other end, by the kind of the connection.
type serverCreds struct{}

// ServerHandshake is called for each connection.
func (serverCreds) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	switch c := raw.(type) {
	case *tlsConn:
		return c.handshake()
	case *unixConn:
		return raw, plain(raw, c.peer), nil
	case *net.UnixConn:
		p, err := credsOf(c)
		if err == nil {
			err = UnixConfig{}.admit(p)
		}
		if err != nil {
			return nil, nil, err
		}
		return raw, plain(raw, p), nil
	}
	p := Peer{}.addrOf(raw)
	if a, ok := raw.RemoteAddr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		return nil, nil, fmt.Errorf("xds: %s is not on this host", a)
	}
	return raw, plain(raw, p), nil
}

func plain(c net.Conn, p Peer) connInfo {
	return connInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}, p, c}
}

// ClientHandshake is not for servers.
func (serverCreds) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("xds: these are a server's credentials")
}

// Info says nothing of the protocol: it differs by connection.
func (serverCreds) Info() credentials.ProtocolInfo { return credentials.ProtocolInfo{} }

// Clone gives the same: there is no state.
func (c serverCreds) Clone() credentials.TransportCredentials { return c }

// OverrideServerName is not for servers.
func (serverCreds) OverrideServerName(string) error { return nil }

// tlsConn is a connection that is to shake hands.
type tlsConn struct {
	net.Conn
	creds credentials.TransportCredentials
}

func (c *tlsConn) handshake() (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.creds.ServerHandshake(c.Conn)
	if err != nil {
		return nil, nil, err
	}
	var state tls.ConnectionState
	if t, ok := info.(credentials.TLSInfo); ok {
		state = t.State
	}
	id, err := security.PeerID(&state)
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("xds: %w", err)
	}
	p := Peer{ID: id}.addrOf(c.Conn)
	return conn, connInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, p, c.Conn}, nil
}
