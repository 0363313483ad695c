// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// writer is the handler's ResponseWriter: the server's, and the status that went
// out through it.
type writer struct {
	http.ResponseWriter
	x        atomic.Pointer[served] // nil when the request is over
	watcher  enmesh.Watcher         // nil: nobody
	head     func(enmesh.Header)    // the last edits of the answer's head; nil: none
	count    atomic.Int64           // of the bytes that went out through it
	status   int32                  // 0: none yet
	hijacked bool
}

// as is the writer with the optional interfaces that the server's own has. Each
// form is one pointer and costs no allocation.
func (w *writer) as() http.ResponseWriter {
	_, flushes := w.ResponseWriter.(http.Flusher)
	if !flushes {
		return w
	}
	if _, ok := w.ResponseWriter.(http.Hijacker); ok {
		return connWriter{flushWriter{w}}
	}
	if _, ok := w.ResponseWriter.(http.Pusher); ok {
		return streamWriter{flushWriter{w}}
	}
	return flushWriter{w}
}

// edit makes the last edits of the answer's head, before it goes out.
func (w *writer) edit() {
	if f := w.head; f != nil {
		w.head = nil
		f((*writtenHeader)(w))
	}
}

// sent notes the status that goes out now.
func (w *writer) sent(status int) {
	if w.status == 0 {
		w.status = int32(status)
		w.edit()
		if x := w.x.Load(); x != nil {
			x.k.Answered(enmesh.Now())
		}
	}
}

// moved is sent, for a piece of the body: who watches the call is told.
func (w *writer) moved() {
	w.sent(http.StatusOK)
	if w.watcher != nil {
		w.watcher.Moved()
	}
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes a final status; informational ones, but for 101, are not final.
func (w *writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.sent(status)
		if discourages(status) {
			w.discourage()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// discourage marks a failure that is not worth sending again.
func (w *writer) discourage() {
	if x := w.x.Load(); x != nil && x.k.Call.RetryDiscouraged() {
		w.Header().Set(RetryHeader, retryNever)
	}
}

// Write writes the status 200 first if none was written.
func (w *writer) Write(p []byte) (int, error) {
	w.moved()
	n, err := w.ResponseWriter.Write(p)
	w.count.Add(int64(n))
	return n, err
}

// WriteString is Write without a copy where the server can do that.
func (w *writer) WriteString(s string) (int, error) {
	w.moved()
	n, err := io.WriteString(w.ResponseWriter, s)
	w.count.Add(int64(n))
	return n, err
}

// flushWriter flushes too.
type flushWriter struct{ *writer }

// Flush sends what is buffered, the head first.
func (w flushWriter) Flush() {
	w.sent(http.StatusOK)
	w.ResponseWriter.(http.Flusher).Flush() //nolint:errcheck // as has checked
}

// FlushError is Flush for http.ResponseController.
func (w flushWriter) FlushError() error {
	w.sent(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// streamWriter is flushWriter for HTTP/2.
type streamWriter struct{ flushWriter }

// Push promises a resource.
func (w streamWriter) Push(target string, opts *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, opts) //nolint:errcheck // as has checked
}

// connWriter is flushWriter for HTTP/1.1, whose connection can be taken over.
type connWriter struct{ flushWriter }

// ReadFrom copies from r, by sendfile where the server can do that.
func (w connWriter) ReadFrom(r io.Reader) (n int64, err error) {
	w.sent(http.StatusOK)
	if rf, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(r)
	} else {
		n, err = io.Copy(struct{ io.Writer }{w.ResponseWriter}, r)
	}
	w.count.Add(n)
	return n, err
}

// Hijack takes the connection over. The call ends when it is closed. A policy that ends the
// call's context, with its error as the cause, closes it: the handler may wait for nothing
// but the connection.
func (w connWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.ResponseWriter.(http.Hijacker).Hijack() //nolint:errcheck // as has checked
	if err != nil {
		return nil, nil, err
	}
	h := &hijacked{Conn: conn, x: w.x.Load()}
	h.to = h.x.to
	h.head.over.Store(w.status != 0)
	w.sent(http.StatusSwitchingProtocols)
	w.hijacked = true
	ctx := h.x.to.out.Context()
	h.unhook = context.AfterFunc(ctx, func() {
		if enmesh.ErrorOf(context.Cause(ctx)) != nil {
			_ = conn.Close() // the handler finds out, and closes what it has
		}
	})
	rw = h.buffered(rw)
	if _, ok := conn.(closeWriter); ok {
		return halfCloser{h}, rw, nil
	}
	return h, rw, nil
}

// closeWriter is a connection that can be closed in one direction.
type closeWriter interface{ CloseWrite() error }

// hijacked is a connection that a handler took over.
type hijacked struct {
	net.Conn
	x      *served
	to     *handed
	unhook func() bool
	head   answerHead
}

// Read counts.
func (h *hijacked) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.to.body.count.Add(int64(n))
	return n, err
}

// Write counts what comes after the answer's head.
func (h *hijacked) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	h.to.w.count.Add(int64(h.head.beyond(p[:n])))
	return n, err
}

// Close ends the call.
func (h *hijacked) Close() error {
	h.unhook()
	err := h.Conn.Close()
	h.x.k.End(nil, enmesh.Now())
	return err
}

// NetConn is the server's own connection.
func (h *hijacked) NetConn() net.Conn { return h.Conn }

// halfCloser keeps CloseWrite.
type halfCloser struct{ *hijacked }

// CloseWrite ends the sending direction.
func (h halfCloser) CloseWrite() error {
	return h.Conn.(closeWriter).CloseWrite() //nolint:errcheck // Hijack has checked
}
