// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package flood

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// farewell bounds how long a connection that is condemned may take to end: its client may
// not read.
const farewell = 250 * time.Millisecond

// maxIgnored is how many bytes are still read of a connection that is condemned: a socket
// that is closed with something unread takes back what was written to it.
const maxIgnored = 256 << 10

// piece is how many bytes are read at once of a client that is doubted.
const piece = 128

// ErrFlood is what a server reads from a connection that was condemned.
var ErrFlood = errors.New("flood: the client makes the server work for nothing")

// Config is how [Guard] judges.
type Config struct {
	Rate
	// Preface says that the client's connection preface is still to be read.
	Preface bool
	// Told hears, once, of a connection that is condemned, and of what there was too
	// much. nil: nobody.
	Told func(c net.Conn, what string)
}

// Conn is a server's connection whose frames are counted.
type Conn struct {
	net.Conn
	told      func(net.Conn, string)
	account   account
	condemned atomic.Pointer[string] // what there was too much of; nil: nothing
	in        scanner                // belongs to Read, of which there is one at a time
	held      []byte                 // so does this: what was read, and is not due yet
	ignored   int                    // and this: bytes that were read for nobody

	writing sync.Mutex // serialises writes; guards what follows
	out     scanner
	left    bool // GOAWAY was written, or could not be
}

// secure is a Conn whose server asks for the state of TLS.
type secure struct {
	*Conn
	stater
}

// stater is what a server of HTTP/2 knows a connection over TLS by.
type stater interface{ ConnectionState() tls.ConnectionState }

// Guard watches c, on which a server speaks HTTP/2 to a client: above TLS, not below. The
// connection that it returns has a ConnectionState if c has.
func Guard(c net.Conn, cfg Config) net.Conn {
	g := &Conn{Conn: c, told: cfg.Told}
	g.account.rate, g.account.now, g.account.at = cfg.Rate, time.Now, time.Now()
	if cfg.Preface {
		g.in.rest = prefaceLen
	}
	if s, ok := c.(stater); ok {
		return &secure{g, s}
	}
	return g
}

// Read reads, and counts what it has read. A client that is doubted it has wait, so that what
// it sends until it is condemned is in nobody's way. Of a connection that is condemned it
// reads what still comes for nobody, so that the client can hear why.
func (c *Conn) Read(b []byte) (int, error) {
	if c.condemned.Load() != nil {
		return c.ignore(b)
	}
	d, doubted := c.account.wait()
	most := len(b)
	if doubted {
		<-time.After(d) // at most mostWait
		most = min(most, piece)
	}
	n, err := c.receive(b[:most])
	n, what := c.follow(b[:n], doubted)
	if what != "" {
		c.condemn(what)
	}
	if c.condemned.Load() != nil {
		return c.ignore(b)
	}
	if len(c.held) > 0 {
		err = nil // that comes after it
	}
	return n, err
}

// receive reads, first of what is held.
func (c *Conn) receive(b []byte) (int, error) {
	if len(c.held) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.held)
	c.held = c.held[n:]
	return n, nil
}

// ignore reads for nobody.
func (c *Conn) ignore(b []byte) (int, error) {
	for c.ignored <= maxIgnored {
		n, err := c.Conn.Read(b)
		if c.ignored += n; err != nil {
			break
		}
	}
	return 0, ErrFlood
}

// follow enters what the client sent, and says how much of it is due: up to where it raises
// doubts, unless there were some already. The rest is held.
func (c *Conn) follow(p []byte, doubted bool) (due int, what string) {
	var f frame
	for left := p; ; {
		var ok bool
		if left, ok = c.in.next(left, &f); !ok {
			return len(p), ""
		}
		what, now := c.account.received(&f)
		if what != "" {
			return len(p), what
		}
		if now && !doubted && len(left) > 0 {
			c.held = append(bytes.Clone(left), c.held...)
			return len(p) - len(left), ""
		}
	}
}

// Write writes, and counts what it has written.
func (c *Conn) Write(b []byte) (int, error) {
	n, what, err := c.write(b)
	switch {
	case what != "":
		c.condemn(what)
	case c.condemned.Load() != nil:
		c.leave()
	}
	return n, err
}

func (c *Conn) write(b []byte) (n int, what string, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.condemned.Load() != nil {
		return 0, "", ErrFlood
	}
	n, err = c.Conn.Write(b)
	var f frame
	var ok bool
	for p := b[:n]; ; {
		if p, ok = c.out.next(p, &f); !ok {
			return n, what, err
		}
		if w := c.account.sent(&f); w != "" {
			what = w
		}
	}
}

// condemn ends the connection: what is being written, or stuck, gets a moment, and then
// GOAWAY follows if one may stand there.
func (c *Conn) condemn(what string) {
	if !c.condemned.CompareAndSwap(nil, &what) {
		return
	}
	until := time.Now().Add(farewell)
	_ = c.Conn.SetWriteDeadline(until)
	_ = c.Conn.SetReadDeadline(until)
	time.AfterFunc(farewell, func() { _ = c.Conn.Close() })
	c.leave()
	if c.told != nil {
		c.told(c.Conn, what)
	}
}

// leave says goodbye, if nobody writes. Who writes now does it afterwards.
func (c *Conn) leave() {
	if !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if c.left {
		return
	}
	c.left = true
	if c.out.between() {
		_, _ = c.Conn.Write(goAway(c.account.lastStream(), *c.condemned.Load()))
	}
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

// SetReadDeadline leaves a connection that is condemned its own.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.condemned.Load() != nil {
		return ErrFlood
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline leaves a connection that is condemned its own.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.condemned.Load() != nil {
		return ErrFlood
	}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline leaves a connection that is condemned its own.
func (c *Conn) SetDeadline(t time.Time) error {
	if c.condemned.Load() != nil {
		return ErrFlood
	}
	return c.Conn.SetDeadline(t)
}

// goAway is the frame (RFC 9113, section 6.8).
func goAway(last uint32, what string) []byte {
	text := "too many " + what
	n := 8 + len(text)
	p := []byte{
		byte(n >> 16), byte(n >> 8), byte(n), 0x7, 0, 0, 0, 0, 0,
		byte(last >> 24), byte(last >> 16), byte(last >> 8), byte(last),
		0, 0, 0, goAwayCalm,
	}
	return append(p, text...)
}
