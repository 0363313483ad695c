// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/enmesh-go/enmesh/balance"
)

// CheckerOption is a choice for [NewHTTP] and [NewTCP].
type CheckerOption func(*dialer)

// Dial has connections made by f, as net.Dialer.DialContext makes them.
func Dial(f func(ctx context.Context, network, addr string) (net.Conn, error)) CheckerOption {
	return func(d *dialer) { d.dial = f }
}

// Secure has the connection to an endpoint made as s says: over TLS, or in plaintext
// where its configuration is nil. nil is always plaintext.
func Secure(s balance.TLSSource) CheckerOption { return func(d *dialer) { d.tls = s } }

// dialer makes the connections of checks.
type dialer struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls  balance.TLSSource
	port uint16 // 0: the endpoint's own
}

func newDialer(port uint16, options []CheckerOption) dialer {
	d := dialer{dial: new(net.Dialer).DialContext, port: port}
	for _, o := range options {
		o(&d)
	}
	return d
}

// secure is the TLS configuration of an endpoint; nil: plaintext.
func (d *dialer) secure(e *balance.Endpoint) *tls.Config {
	if d.tls == nil {
		return nil
	}
	return d.tls.ClientTLS(e)
}

// addr is an address with the port that is checked.
func (d *dialer) addr(addr string) string {
	if d.port == 0 {
		return addr
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return net.JoinHostPort(host, strconv.Itoa(int(d.port)))
}

// connect tries the endpoint's addresses in turn; each has its part of the time that
// is left.
func (d *dialer) connect(ctx context.Context, e *balance.Endpoint) (net.Conn, error) {
	addrs := e.Addrs()
	var failures []error
	for i, a := range addrs {
		conn, err := d.try(ctx, d.addr(a), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

func (d *dialer) try(ctx context.Context, addr string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return d.dial(ctx, "tcp", addr)
}
