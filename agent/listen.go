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

// listen opens what the configuration names.
func listen(cfg Config) (*listeners, error) {
	var l listeners
	opened := func(to *net.Listener, addr string, open func() (net.Listener, error)) error {
		if addr == "" {
			return nil
		}
		one, err := open()
		if err != nil {
			l.close()
			return err
		}
		*to = one
		if to != &l.admin {
			l.xds = append(l.xds, one)
		}
		return nil
	}
	err := opened(&l.socket, cfg.Socket, func() (net.Listener, error) { return xds.ListenUnix(cfg.Socket, cfg.SocketPeers) })
	if err != nil {
		return nil, err
	}
	err = opened(&l.plain, cfg.Listen, func() (net.Listener, error) { return xds.ListenLoopback(cfg.Listen) })
	if err != nil {
		return nil, err
	}
	err = opened(&l.secure, cfg.ListenTLS, func() (net.Listener, error) {
		return xds.ListenTLS(cfg.ListenTLS, mtls.Server(cfg.Identity, mtls.Protocols("h2")))
	})
	if err != nil {
		return nil, err
	}
	err = opened(&l.admin, cfg.Admin, func() (net.Listener, error) {
		var from net.ListenConfig
		one, err := from.Listen(context.Background(), "tcp", cfg.Admin)
		if err != nil {
			return nil, fmt.Errorf("agent: admin: %w", err)
		}
		return one, nil
	})
	if err != nil {
		return nil, err
	}
	return &l, nil
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
