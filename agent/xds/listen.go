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
)

// ListenLoopback listens on a TCP address of this host only: "127.0.0.1:15010",
// "[::1]:0", "localhost:0". Every process of the host can connect to it, and none
// can be told from another: prefer [ListenUnix].
func ListenLoopback(addr string) (net.Listener, error) {
	l, err := listenTCP(addr)
	if err != nil {
		return nil, err
	}
	if err := onLoopback(l); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// InheritLoopback is [ListenLoopback] on a socket that another process opened and keeps open,
// see [InheritUnix].
func InheritLoopback(l *net.TCPListener) (net.Listener, error) {
	if err := onLoopback(l); err != nil {
		return nil, err
	}
	return l, nil
}

func onLoopback(l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return fmt.Errorf("xds: %s is not a loopback address: use ListenTLS", l.Addr())
	}
	return nil
}

func listenTCP(addr string) (net.Listener, error) {
	var cfg net.ListenConfig
	l, err := cfg.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("xds: %w", err)
	}
	return l, nil
}

// ListenTLS listens on any TCP address for clients that prove who they are with a
// SPIFFE certificate. cfg must verify client certificates, as that of mtls.Server
// does. The namespace and the service account of a client's node are its
// certificate's.
func ListenTLS(addr string, cfg *tls.Config) (net.Listener, error) {
	if err := verifies(cfg); err != nil {
		return nil, err
	}
	l, err := listenTCP(addr)
	if err != nil {
		return nil, err
	}
	return &tlsListener{l, credentials.NewTLS(cfg)}, nil
}

// InheritTLS is [ListenTLS] on a socket that another process opened and keeps open, see
// [InheritUnix].
func InheritTLS(l *net.TCPListener, cfg *tls.Config) (net.Listener, error) {
	if err := verifies(cfg); err != nil {
		return nil, err
	}
	return &tlsListener{l, credentials.NewTLS(cfg)}, nil
}

// verifies refuses what would serve clients that prove nothing.
func verifies(cfg *tls.Config) error {
	if cfg == nil || cfg.ClientAuth != tls.RequireAndVerifyClientCert && cfg.GetConfigForClient == nil {
		return errors.New("xds: the TLS configuration does not require and verify client certificates")
	}
	return nil
}

// tlsListener hands out connections that shake hands before they are served, not
// while they are accepted.
type tlsListener struct {
	net.Listener
	creds credentials.TransportCredentials
}

// Accept waits for a connection.
func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsConn{c, l.creds}, nil
}
