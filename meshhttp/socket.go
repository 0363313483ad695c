// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// socket is one connection to an endpoint.
type socket struct {
	of    *sockets
	to    route
	conn  *http.ClientConn
	sent  *meter
	until enmesh.Instant // when it is too old; 0: never

	// many says that it is of HTTP/2. One whose server allows one stream looks like HTTP/1.1
	// until its first answer has come; it carries one call till then. Written under of.mu.
	many bool

	// guarded by of.mu
	active, used int
	idle         enmesh.Instant // when the last call ended
	free         bool           // it is in of.free
	broken       bool
}

// worn reports whether it takes no more calls, having lived or served its time.
func (s *socket) worn(now enmesh.Instant) bool {
	most := s.of.cfg.MaxRequestsPerConnection
	return s.broken || most > 0 && s.used >= most || s.until != 0 && now >= s.until
}

// exhausted reports whether the server has ended it, or, with GOAWAY, takes no more calls
// and has none left. A call that is over may have a stream for a moment yet, and be the only
// one that the server allows: how many are in flight is asked first.
func (s *socket) exhausted() bool {
	return s.conn.Err() != nil || s.many && s.active == 0 && s.conn.InFlight() == 0 && s.conn.Available() == 0
}

// stale reports whether it has carried nothing for so long that the server may be about
// to close it.
func (s *socket) stale(now enmesh.Instant) bool {
	limit := s.of.cfg.IdleTimeout
	return limit > 0 && s.active == 0 && now.Sub(s.idle) >= limit
}

// full reports whether it has as many calls at once as it may.
func (s *socket) full() bool {
	if !s.many {
		return s.active > 0
	}
	most := s.of.cfg.MaxStreams
	return most > 0 && s.active >= most
}

// room reports whether its server takes one more call. Those that were given it count, though
// they may not have begun, and so do those that net/http has not forgotten yet.
func (s *socket) room() bool {
	if !s.many {
		return true
	}
	begun := s.conn.InFlight()
	return s.conn.Available()+begun > max(begun, s.active)
}

// lingers reports whether it has no room for the sake of streams whose calls are over.
func (s *socket) lingers() bool {
	return s.many && s.conn.Available() == 0 && s.conn.InFlight() > s.active
}

// width is how many calls it takes at once.
func (s *socket) width(most int) int {
	n := max(s.conn.Available(), 1)
	if most > 0 {
		n = min(n, most)
	}
	return n
}

// multiplexes notes that it is of HTTP/2, and has whoever waits woken when a stream is over.
func (s *socket) multiplexes() {
	s.of.mu.Lock()
	s.many = true
	s.of.mu.Unlock()
	s.conn.SetStateHook(func(*http.ClientConn) { s.of.wake() })
}

// What a connection says that ended before anything of a request was written to it.
var (
	// errUnsent: it was kept, and the server had closed it.
	errUnsent = errors.New("meshhttp: the connection ended before anything was written")

	// errStillborn: it was new, so that the server takes none, or is about to end.
	errStillborn = errors.New("meshhttp: the new connection ended before anything was written")
)

// ready reports whether it takes the call that it was reserved for. net/http may have
// ended an HTTP/1.1 connection after an answer, for one whose request was not written in
// time: it tells so here at once, and elsewhere a moment later.
func (s *socket) ready() bool { return s.many || s.conn.Reserve() == nil }

// roundTrip sends req. An HTTP/1.1 connection that broke before anything was written tells
// so.
func (s *socket) roundTrip(req *http.Request, fresh bool) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: s.sent.conn, Reused: !fresh})
	}
	before := s.sent.n.Load()
	resp, err := s.conn.RoundTrip(req)
	if err != nil && !s.many && s.conn.Err() != nil && req.Context().Err() == nil && s.sent.n.Load() == before {
		err = errors.Join(unsent(fresh), err)
	}
	return resp, err
}

// unsent says that nothing was written to a connection that had ended.
func unsent(fresh bool) error {
	if fresh {
		return errStillborn
	}
	return errUnsent
}

// carry gives the connection back at the end of the answer's body.
func (s *socket) carry(req *http.Request, resp *http.Response) *http.Response {
	if !s.many && resp.ProtoMajor == 2 {
		s.multiplexes()
	}
	if bodyless(resp, req.Method) {
		s.of.give(s, resp.Close)
		return resp
	}
	body := &carried{ReadCloser: resp.Body}
	body.s.Store(s)
	resp.Body = body
	if rw, ok := body.ReadCloser.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = carriedBoth{body, rw}
	}
	return resp
}

// carried is an answer's body whose end frees the connection.
type carried struct {
	io.ReadCloser
	s atomic.Pointer[socket] // nil once it is freed
}

// Read frees the connection at the end of the body.
func (b *carried) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(!errors.Is(err, io.EOF))
	}
	return n, err
}

// Close frees it too; one that had more to come on it is no use over HTTP/1.1.
func (b *carried) Close() error {
	err := b.ReadCloser.Close()
	b.end(true)
	return err
}

func (b *carried) end(broken bool) {
	if s := b.s.Swap(nil); s != nil {
		s.of.give(s, broken)
	}
}

// carriedBoth is the body of a 101 answer, which is the connection.
type carriedBoth struct {
	*carried
	w io.Writer
}

// Write writes to the connection.
func (b carriedBoth) Write(p []byte) (int, error) { return b.w.Write(p) }

// CloseWrite ends the sending direction, if the connection can do that.
func (b carriedBoth) CloseWrite() error {
	if c, ok := b.w.(closeWriter); ok {
		return c.CloseWrite()
	}
	return http.ErrNotSupported
}

// meter counts what is written to a connection. The dialer finds it in its context.
type meter struct {
	n    atomic.Int64
	conn net.Conn // what net/http has; set before it is handed out
}

type meterKey struct{}

// metered is a connection with a meter.
type metered struct {
	net.Conn
	m *meter
}

// Write counts before it writes, since what may have left has left, and takes back what
// has not.
func (c metered) Write(p []byte) (int, error) {
	c.m.n.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.m.n.Add(int64(n - len(p)))
	return n, err
}

// ReadFrom leaves a file's bytes to the system, if the connection can do that.
func (c metered) ReadFrom(r io.Reader) (int64, error) {
	c.m.n.Add(1) // something may have left
	n, err := io.Copy(c.Conn, r)
	c.m.n.Add(n - 1)
	return n, err
}
