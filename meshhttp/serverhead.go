// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/internal/framing"
	"github.com/enmesh-go/enmesh/internal/greeted"
)

// maxHandshakes bounds the connections of a server whose handshake is under way.
const maxHandshakes = 8192

// Server is an http.Server that refuses, with 400 and the end of the connection, requests of
// HTTP/1.1 that another server may read differently (RFC 9112, section 11.2): one with a
// length and a transfer coding, or with two of one of them, a transfer coding in HTTP/1.0, a
// folded line, a line that ends without CR. net/http takes them, and tells no handler; behind
// a proxy that reads them otherwise, a part of one client's request becomes another's.
// [NewServer] makes one.
//
// TLS handshakes are over before net/http has the connection, 8192 at once at most. What comes
// to the hooks ConnContext and ConnState, and to who takes a connection over, is one around
// the listener's, which its method NetConn gives, but for *tls.Conn of HTTP/2.
type Server struct {
	*http.Server
	once sync.Once // of watchHijacks
}

// ListenAndServe is that of http.Server.
func (s *Server) ListenAndServe() error {
	l, err := s.listen(":http")
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// ListenAndServeTLS is that of http.Server.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	l, err := s.listen(":https")
	if err != nil {
		return err
	}
	return s.ServeTLS(l, certFile, keyFile)
}

func (s *Server) listen(otherwise string) (net.Listener, error) {
	addr := s.Addr
	if addr == "" {
		addr = otherwise
	}
	var from net.ListenConfig
	return from.Listen(context.Background(), "tcp", addr)
}

// Serve is that of http.Server. The connections of l may be *tls.Conn.
func (s *Server) Serve(l net.Listener) error {
	s.once.Do(s.watchHijacks)
	return s.Server.Serve(greeted.Listen(l, greeted.Config{Greet: s.greet, Refused: s.refused, Most: maxHandshakes}))
}

// ServeTLS is that of http.Server.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	cfg := &tls.Config{}
	if s.TLSConfig != nil {
		cfg = s.TLSConfig.Clone()
	}
	cfg.NextProtos = s.offer(cfg.NextProtos)
	if has := len(cfg.Certificates) > 0 || cfg.GetCertificate != nil || cfg.GetConfigForClient != nil; !has || certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			_ = l.Close() // err is the one to tell
			return err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return s.Serve(tls.NewListener(l, cfg))
}

// offer adds the protocols that the server speaks.
func (s *Server) offer(protos []string) []string {
	speaks := map[string]bool{"h2": s.Protocols == nil || s.Protocols.HTTP2(), "http/1.1": s.Protocols == nil || s.Protocols.HTTP1()}
	protos = slices.DeleteFunc(slices.Clone(protos), func(p string) bool { does, known := speaks[p]; return known && !does })
	for _, p := range [...]string{"h2", "http/1.1"} {
		if speaks[p] && !slices.Contains(protos, p) {
			protos = append(protos, p)
		}
	}
	return protos
}

// watchHijacks has what handlers take over be read as it is.
func (s *Server) watchHijacks() {
	hook := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if one, ok := c.(interface{ free() }); ok && state == http.StateHijacked {
			one.free()
		}
		if hook != nil {
			hook(c, state)
		}
	}
}

// greet shakes hands, over TLS, and has heads read.
func (s *Server) greet(ctx context.Context, conn net.Conn) (net.Conn, error) {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return &plainHead{newHeadConn(conn)}, nil
	}
	if d := s.handshakeTimeout(); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, hinted(err)
	}
	state := secured.ConnectionState()
	if p := state.NegotiatedProtocol; p != "" && !strings.HasPrefix(p, "http/1.") {
		return secured, nil
	}
	return &securedHead{newHeadConn(secured), state}, nil
}

// handshakeTimeout is that of http.Server: its shortest timeout.
func (s *Server) handshakeTimeout() (least time.Duration) {
	for _, d := range [...]time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout} {
		if d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// hinted tells a client that does not speak TLS but HTTP, as http.Server does.
func hinted(err error) error {
	var bad tls.RecordHeaderError
	if !errors.As(err, &bad) || bad.Conn == nil || !slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"}, string(bad.RecordHeader[:])) {
		return err
	}
	_ = bad.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(bad.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n") // it may not listen
	return errors.New("client sent an HTTP request to an HTTPS server")
}

// refused logs a connection that was not let in.
func (s *Server) refused(conn net.Conn, err error) {
	logf := log.Printf
	if s.ErrorLog != nil {
		logf = s.ErrorLog.Printf
	}
	logf("http: TLS handshake error from %s: %v", conn.RemoteAddr(), err)
}

// headConn is a connection of HTTP/1.1 whose heads are read on their way.
type headConn struct {
	net.Conn
	in *framing.Reader
}

func newHeadConn(c net.Conn) headConn { return headConn{c, framing.NewReader(c)} }

func (c *headConn) Read(b []byte) (int, error) { return c.in.Read(b) }

func (c *headConn) free() { c.in.Free() }

// NetConn is the listener's connection.
func (c *headConn) NetConn() net.Conn { return c.Conn }

// CloseWrite is for who says goodbye, and then waits until that was read.
func (c *headConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// plainHead is one in plaintext.
type plainHead struct{ headConn }

// ReadFrom has the system send files, where it can.
func (c *plainHead) ReadFrom(from io.Reader) (int64, error) { return io.Copy(c.Conn, from) }

// securedHead is one over TLS, for http.Request.TLS.
type securedHead struct {
	headConn
	state tls.ConnectionState
}

// ConnectionState is asked for by net/http.
func (c *securedHead) ConnectionState() tls.ConnectionState { return c.state }
