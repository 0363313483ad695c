// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// What a keeper and an agent say to each other: the keeper its name, with the socket beside it
// (unix(7), SCM_RIGHTS), and the agent that it serves.
const (
	hello   = "enmesh-keeper/1\n"
	serving = 's'
)

// greetTime bounds how long a keeper may take to give the socket.
const greetTime = 5 * time.Second

// Lease is an agent's share of a socket that is kept. It lasts until Close, or the end of the
// process.
type Lease struct {
	// Listener is the agent's own copy of the socket.
	Listener *net.UnixListener
	conn     *net.UnixConn
}

// Take asks the keeper of a socket for it. There is neither a Lease nor an error where nobody
// keeps it.
func Take(ctx context.Context, socket string) (*Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket+Suffix)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keeper: %w", err)
	}
	conn, _ := c.(*net.UnixConn)
	until, _ := ctx.Deadline()
	l, err := receive(conn, until)
	if err != nil {
		_ = c.Close() // err is the one to tell
		return nil, fmt.Errorf("keeper: %s gives no socket: %w", socket+Suffix, err)
	}
	return &Lease{l, conn}, nil
}

// Serving says that the agent answers whoever connects, so that nobody else is to.
func (l *Lease) Serving() error {
	if _, err := l.conn.Write([]byte{serving}); err != nil {
		return fmt.Errorf("keeper: %w", err)
	}
	return nil
}

// Close says that the agent is to end. Its Listener is closed apart.
func (l *Lease) Close() error { return l.conn.Close() }
