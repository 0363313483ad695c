// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// hasBody reports whether a server's request has a body to read.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// bodyLimit refuses bodies that are too long.
type bodyLimit struct {
	next http.Handler
	most int64
}

// ServeHTTP puts a bound in the place of the body; net/http knows its own, apart from the
// request.
func (b *bodyLimit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > b.most {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // net/http would read some of it else
		}
		http.Error(w, "meshhttp: the request's body is too long", http.StatusRequestEntityTooLarge)
		return
	}
	if !hasBody(r) {
		b.next.ServeHTTP(w, r)
		return
	}
	withBody(b.next, w, r, http.MaxBytesReader(w, r.Body, b.most))
}

// withBody serves r with another body. r itself keeps its own: by that net/http knows whether
// reading it has failed, and what follows on the connection is no request.
func withBody(next http.Handler, w http.ResponseWriter, r *http.Request, body io.ReadCloser) {
	to := new(http.Request)
	*to = *r
	to.Body = body
	next.ServeHTTP(w, to)
	r.MultipartForm = to.MultipartForm // net/http removes its files
}

// bodyPace bounds how long a read of a body waits.
type bodyPace struct {
	next     http.Handler
	patience time.Duration
}

func (b *bodyPace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !hasBody(r) {
		b.next.ServeHTTP(w, r)
		return
	}
	body := &pacedBody{
		ReadCloser: r.Body, control: http.NewResponseController(w),
		patience: b.patience, one: r.ProtoMajor == 1,
	}
	withBody(b.next, w, r, body)
	body.leave()
}

// pacedBody is a request's body no read of which waits longer than patience, or a half
// more.
type pacedBody struct {
	io.ReadCloser
	patience time.Duration
	one      bool // HTTP/1: the deadline is the connection's

	// mu guards what follows. It is held while a deadline is set: a proxy's transport may
	// read when the handler has returned, and control cannot be used then.
	mu      sync.Mutex
	control *http.ResponseController // nil: the body has ended, or the handler
	until   enmesh.Instant           // the deadline that is set; 0: none
}

// Read reads. A deadline that leaves enough time stays: over HTTP/2 another costs a message
// to the connection's loop.
func (b *pacedBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.end()
	}
	return n, err
}

// extend sets a deadline that leaves at least patience. A ResponseWriter that has none is
// somebody else's.
func (b *pacedBody) extend() {
	now := enmesh.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control == nil || b.until != 0 && b.until.Sub(now) >= b.patience {
		return
	}
	d := b.patience + b.patience/2
	b.until = now + enmesh.Instant(d)
	_ = b.control.SetReadDeadline(time.Now().Add(d))
}

// end takes the deadline of HTTP/1 off: net/http reads on, to hear of the client's leaving.
func (b *pacedBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control != nil && b.one {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	b.control = nil
}

// leave is for when the handler has returned. It bounds what net/http reads of the body
// then, to use the connection again.
func (b *pacedBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control != nil && b.one {
		_ = b.control.SetReadDeadline(time.Now().Add(b.patience))
	}
	b.control = nil
}
