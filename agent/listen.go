// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"net"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// listeners are where the agent listens; nil where it does not.
type listeners struct {
	socket, plain, secure, admin net.Listener

	xds []net.Listener // the first three
}

// place is somewhere to listen at.
type place struct {
	field, network, addr string // the field is that of Config
	// open listens there, by given if that is not nil.
	open func(cfg Config, given net.Listener) (net.Listener, error)
}

func places(cfg Config) []place {
	return []place{
		{"Socket", "unix", cfg.Socket, listenSocket},
		{"Listen", "tcp", cfg.Listen, listenLoopback},
		{"ListenTLS", "tcp", cfg.ListenTLS, listenTLS},
		{"Admin", "tcp", cfg.Admin, listenAdmin},
	}
}

// listen opens what the configuration names, or takes what is given for a field.
func listen(cfg Config, given map[string]net.Listener) (*listeners, error) {
	var l listeners
	for _, p := range places(cfg) {
		if p.addr == "" {
			continue
		}
		one, err := p.open(cfg, given[p.field])
		if err != nil {
			l.close()
			return nil, err
		}
		l.put(p.field, one)
	}
	return &l, nil
}

func (l *listeners) put(field string, one net.Listener) {
	switch field {
	case "Socket":
		l.socket = one
	case "Listen":
		l.plain = one
	case "ListenTLS":
		l.secure = one
	default:
		l.admin = one
		return
	}
	l.xds = append(l.xds, one)
}

func listenSocket(cfg Config, given net.Listener) (net.Listener, error) {
	if l, ok := given.(*net.UnixListener); ok {
		return xds.InheritUnixAt(l, cfg.Socket, cfg.SocketPeers)
	}
	return xds.ListenUnix(cfg.Socket, cfg.SocketPeers)
}

func listenLoopback(cfg Config, given net.Listener) (net.Listener, error) {
	if l, ok := given.(*net.TCPListener); ok {
		return xds.InheritLoopback(l)
	}
	return xds.ListenLoopback(cfg.Listen)
}

func listenTLS(cfg Config, given net.Listener) (net.Listener, error) {
	serve := mtls.Server(cfg.Identity, mtls.Protocols("h2"))
	if l, ok := given.(*net.TCPListener); ok {
		return xds.InheritTLS(l, serve)
	}
	return xds.ListenTLS(cfg.ListenTLS, serve)
}

func listenAdmin(cfg Config, given net.Listener) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	var from net.ListenConfig
	l, err := from.Listen(context.Background(), "tcp", cfg.Admin)
	if err != nil {
		return nil, fmt.Errorf("agent: admin: %w", err)
	}
	return l, nil
}

func (l *listeners) close() {
	for _, one := range append([]net.Listener{l.admin}, l.xds...) {
		if one != nil {
			_ = one.Close() // it says only that it was closed before
		}
	}
}

func addrOf(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}
