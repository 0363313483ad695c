// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// WithListener makes the server's Options take connections as its listener gives them, for
// one that shakes hands itself, such as mtls.Listener: over TLS where the connection is a
// *tls.Conn, or says as much by a ConnectionState method, and in plaintext where it is
// not. Peer.TLS of a call in plaintext is nil. It takes the place of [WithTLS].
func WithListener() ServerOption {
	return serverOption(func(s *Server) { s.shaken = true })
}

// stateful is a connection that has had a TLS handshake.
type stateful interface{ ConnectionState() tls.ConnectionState }

// listenerCredentials take a server's connections as they come.
type listenerCredentials struct {
	credentials.TransportCredentials
}

func newListenerCredentials() credentials.TransportCredentials {
	return listenerCredentials{insecure.NewCredentials()}
}

var (
	errUnshaken = errors.New("meshgrpc: the listener's TLS connection has had no handshake")
	errProtocol = errors.New("meshgrpc: the client did not negotiate HTTP/2 over TLS")
)

// ServerHandshake finds out what the listener has made of a connection.
func (l listenerCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, ok := raw.(stateful)
	if !ok {
		return l.TransportCredentials.ServerHandshake(raw)
	}
	state := conn.ConnectionState()
	switch {
	case !state.HandshakeComplete:
		return nil, nil, errUnshaken
	case state.NegotiatedProtocol != "h2":
		return nil, nil, errProtocol
	}
	return raw, credentials.TLSInfo{
		State:          state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// Clone is l: it holds no state.
func (l listenerCredentials) Clone() credentials.TransportCredentials { return l }
