// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bufio"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

var (
	_ enmesh.Sizer = (*exchange)(nil)
	_ enmesh.Sizer = (*served)(nil)
)

// Sizes implements [enmesh.Sizer]: of the last attempt's request, what net/http has read of
// its body; of the answer, what the caller has read of its. On an upgraded connection, what
// went either way. A body that net/http has as it is (in memory, or a file) has its declared
// length once an answer came; before that nobody knows. There is no size of an answer that
// never came.
func (x *exchange) Sizes() (request, answer int64) {
	holder := x
	if x.holder != nil {
		holder = x.holder
	}
	request, answer = holder.sentBytes(), -1
	if x.upgraded != nil {
		request = x.upgraded.Load()
	}
	if x.k.Call.Answer.Status != 0 {
		answer = x.out.answer.count.Load()
	}
	return request, answer
}

// sentBytes is what was sent of the request's body; negative where that is not known.
func (x *exchange) sentBytes() int64 {
	switch {
	case x.last == nil || !x.hasBody():
		return 0
	case x.last.body != nil:
		return x.last.body.size()
	case x.k.Call.AnsweredAt() != 0:
		return x.in.ContentLength
	}
	return -1
}

// Sizes implements [enmesh.Sizer]: of the request's body what the handler has read, of the
// answer's what was written. On a connection that was taken over, what went either way after
// the answer's head.
func (x *served) Sizes() (request, answer int64) {
	request, answer = x.to.body.count.Load(), x.to.w.count.Load()
	if x.in.Method == http.MethodHead && !x.to.w.hijacked {
		answer = 0 // net/http throws away what was written
	}
	return request, answer
}

// countedBody is a request's body on the server.
type countedBody struct {
	io.ReadCloser
	count atomic.Int64
}

// Read counts.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}

// answerHead tells the answer's head, which whoever takes a connection over writes himself,
// from what comes after it. Its zero value has seen nothing yet.
type answerHead struct {
	over atomic.Bool // there is no more of it
	mu   sync.Mutex  // guards n, last
	n    int         // how long it is so far
	last uint32      // the last four bytes of it
}

const (
	headBegin = "HTTP/"
	headEnd   = '\r'<<24 | '\n'<<16 | '\r'<<8 | '\n'
)

// beyond is how much of p, which was written next, comes after the head. What does not begin
// as a head has none.
func (h *answerHead) beyond(p []byte) int {
	if h.over.Load() {
		return len(p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, b := range p {
		if h.n < len(headBegin) && b != headBegin[h.n] {
			h.over.Store(true)
			return h.n + len(p) - i
		}
		h.n++
		if h.last = h.last<<8 | uint32(b); h.last == headEnd {
			h.over.Store(true)
			return len(p) - i - 1
		}
	}
	return 0
}

// hijackedReader is what the server had read already of a connection, and what comes.
type hijackedReader struct {
	from *bufio.Reader
	body *countedBody
}

func (r hijackedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.body.count.Add(int64(n))
	return n, err
}

// buffered is rw with both ways counted as h counts them. What was buffered stays so: a
// handler may look whether there is anything.
func (h *hijacked) buffered(rw *bufio.ReadWriter) *bufio.ReadWriter {
	early := rw.Reader.Buffered()
	in := bufio.NewReaderSize(hijackedReader{rw.Reader, &h.to.body}, rw.Reader.Size())
	_, _ = in.Peek(early) // it is there
	rw.Writer.Reset(h)
	return bufio.NewReadWriter(in, rw.Writer)
}
