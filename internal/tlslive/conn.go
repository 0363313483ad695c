// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tlslive

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Wrap is c, to be given to TLS. It is kept from [Conn.Keep] to Close.
func (s *Set) Wrap(c net.Conn) *Conn { return &Conn{Conn: c, set: s} }

// Conn is a connection of a Set.
type Conn struct {
	net.Conn
	set *Set
	why atomic.Pointer[closedError] // nil: the Set has not closed it

	mu     sync.Mutex // guards what follows
	kept   *member
	closed bool
}

// Keep begins to check the connection. A check that is given later replaces the one
// before.
func (c *Conn) Keep(check func() error) {
	m := &member{conn: c.Conn, of: c, check: check}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.kept != nil {
		c.set.drop(c.kept)
	}
	c.kept = m
	c.set.add(m)
}

// Close closes the connection and forgets it.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.kept != nil {
		c.set.drop(c.kept)
	}
	c.closed = true
	c.mu.Unlock()
	return c.Conn.Close()
}

// Read says why the Set has closed the connection, if it has.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.reason(err)
}

// Write says so too.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.reason(err)
}

func (c *Conn) reason(err error) error {
	if err != nil {
		if why := c.why.Load(); why != nil {
			return why
		}
	}
	return err
}

// closedError is the error of a connection that a Set has closed. It is net.ErrClosed, and
// for errors.Is what the check has said; it must not be taken for an error of a handshake,
// after which nothing was sent, and so does not unwrap to that.
type closedError struct{ why error }

func (e *closedError) Error() string        { return "the connection was closed: " + e.why.Error() }
func (e *closedError) Unwrap() error        { return net.ErrClosed }
func (e *closedError) Is(target error) bool { return errors.Is(e.why, target) }

// ReadFrom lets the connection below take a file without copying, where it can.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }
