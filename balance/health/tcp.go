// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/enmesh-go/enmesh/balance"
)

// TCPConfig says what a TCP check sends and wants to read. It is comparable.
type TCPConfig struct {
	Send   string // nothing when empty
	Expect string // what the answer must have in it, within 64 KiB; nothing is read when empty
	Port   uint16 // to check, where it is not the one that takes calls. The endpoint's own
}

// TCP is a [Checker] that connects, over TLS with the handshake, and then sends and
// reads what it is told to.
type TCP struct {
	cfg    TCPConfig
	dialer dialer
}

// NewTCP makes a TCP checker.
func NewTCP(cfg TCPConfig, options ...CheckerOption) *TCP {
	return &TCP{cfg: cfg, dialer: newDialer(cfg.Port, options)}
}

// Check asks the endpoint.
func (t *TCP) Check(ctx context.Context, e *balance.Endpoint) error {
	raw, err := t.dialer.connect(ctx, e)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer func() { _ = raw.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := t.shake(ctx, raw, e)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if t.cfg.Send != "" {
		if _, err := io.WriteString(conn, t.cfg.Send); err != nil {
			return fmt.Errorf("health: %w", err)
		}
	}
	return t.read(conn)
}

// shake makes the connection secure, if it is to be.
func (t *TCP) shake(ctx context.Context, conn net.Conn, e *balance.Endpoint) (net.Conn, error) {
	cfg := t.dialer.secure(e)
	if cfg == nil {
		return conn, nil
	}
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		cfg = cfg.Clone()
		cfg.ServerName, _, _ = net.SplitHostPort(e.Addr())
	}
	secured := tls.Client(conn, cfg)
	err := secured.HandshakeContext(ctx)
	return secured, err
}

// read reads until it has seen what is expected.
func (t *TCP) read(conn net.Conn) error {
	want := []byte(t.cfg.Expect)
	if len(want) == 0 {
		return nil
	}
	var got []byte
	part := make([]byte, 4096)
	for len(got) < bodyLimit {
		n, err := conn.Read(part)
		got = append(got, part[:n]...)
		switch {
		case bytes.Contains(got, want):
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("health: the connection ended after %d bytes without %q", len(got), want)
		case err != nil:
			return fmt.Errorf("health: %w", err)
		}
	}
	return fmt.Errorf("health: no %q in the first %d bytes", want, len(got))
}
