// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"

	"github.com/enmesh-go/enmesh"
)

var (
	errOneBody = &enmesh.Error{
		Code: enmesh.FailedPrecondition, Outcome: enmesh.Neutral, Policy: "meshhttp",
		Err: errors.New("the request's body can be sent only once"),
	}
	errRepeats    = errors.New("meshhttp: net/http would send it for the third time: it was not processed")
	errBodyClosed = errors.New("meshhttp: request body read after it was closed")
)

// requestBody is what an attempt reads the request's body through. It tells a broken
// body, the caller's fault, from a broken connection, and leaves a body open that
// nothing was read of where it may still be sent.
type requestBody struct {
	mu     sync.Mutex    // guards what follows; never held while reading
	rc     io.ReadCloser // never nil
	err    error         // the first that the body itself gave, but for io.EOF
	keep   bool          // Close leaves an unread body open
	read   bool
	busy   bool   // a Read is under way
	closed bool   // Close was called, or the body taken back
	over   bool   // rc is closed, or somebody else's
	gone   bool   // more was read than past keeps
	past   []byte // what was read, while it is little
	n      int64  // how many bytes were read
}

// maxPast is how much of a body is kept, in bytes, that cannot be had again: as much as net/http
// may have read of it where it has not written anything yet.
const maxPast = 4 << 10

// Read reads the caller's body.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return 0, errBodyClosed
	}
	b.read, b.busy = true, true
	b.mu.Unlock()
	n, err := b.rc.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy = false
	b.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && !b.closed && b.err == nil {
		b.err = err
	}
	if b.keep && !b.gone {
		b.remember(p[:n])
	}
	return n, err
}

// remember keeps what was read.
func (b *requestBody) remember(p []byte) {
	if b.gone = len(b.past)+len(p) > maxPast; b.gone {
		b.past = nil
		return
	}
	b.past = append(b.past, p...)
}

// Close closes the caller's body, unless it may still be wanted.
func (b *requestBody) Close() error {
	b.mu.Lock()
	b.closed = true
	over := b.over || b.keep && !b.gone && b.err == nil
	b.over = b.over || !over
	b.mu.Unlock()
	if over {
		return nil
	}
	return b.rc.Close()
}

// unread reports whether nothing was read.
func (b *requestBody) unread() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.read && !b.over
}

// size is how many bytes were read.
func (b *requestBody) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// reclaim takes a body back of which nothing, or so little was read that it was kept; the
// attempt that had it can read no more.
func (b *requestBody) reclaim() (io.ReadCloser, bool) {
	if b == nil {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over || b.busy || b.read && (!b.keep || b.gone || b.err != nil) {
		return nil, false
	}
	b.closed, b.over = true, true
	if len(b.past) == 0 {
		return b.rc, true
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b.past), b.rc), b.rc}, true
}

// letGo says that the body is not wanted again: if the base has closed it, it is
// closed now, else when the base does.
func (b *requestBody) letGo() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.keep = false
	overdue := b.closed && !b.over
	b.over = b.over || overdue
	b.mu.Unlock()
	if overdue {
		_ = b.rc.Close() // as in closeBody
	}
}

// failure is the error that the caller's body gave, if any.
func (b *requestBody) failure() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// hasBody reports whether the request has a body at all.
func (x *exchange) hasBody() bool { return x.in.Body != nil && x.in.Body != http.NoBody }

// copies reports whether any number of attempts can have the body.
func (x *exchange) copies() bool { return !x.hasBody() || x.in.GetBody != nil || x.kept != nil }

// Replayable reports whether one more attempt can have the body.
func (x *exchange) Replayable() bool {
	return x.copies() || !x.taken || x.keeps && x.last != nil && x.last.body.unread()
}

// copyBody copies a body of declared, small length that could not be had again.
func (x *exchange) copyBody() *enmesh.Error {
	n := x.in.ContentLength
	if x.copies() || n <= 0 || n > x.t.cfg.replayLimit {
		return nil
	}
	x.taken = true
	defer closeBody(x.in.Body)
	kept := make([]byte, n)
	_, err := io.ReadFull(x.in.Body, kept)
	if err == nil {
		if _, more := io.ReadFull(x.in.Body, make([]byte, 1)); more == nil {
			err = errors.New("it is longer than its Content-Length")
		} else if !errors.Is(more, io.EOF) {
			err = more
		}
	}
	if err != nil {
		return brokenBody(fmt.Errorf("%w (Content-Length %d)", err, n))
	}
	x.kept = &kept
	return nil
}

// body gives the attempt's request its body.
func (x *exchange) body(out *outgoing) *enmesh.Error {
	if !x.hasBody() {
		return nil
	}
	rc, err := x.nextBody()
	if err != nil {
		return brokenBody(err)
	}
	asItIs := x.asItIs(rc)
	if x.keeps && x.copies() && (x.pool == nil || x.kept != nil || !asItIs) { // else the request's own GetBody will do
		x.repeated, out.req.GetBody = false, x.repeat
	}
	if asItIs {
		out.req.Body = rc
		return nil
	}
	out.body = &requestBody{rc: rc, keep: !x.copies() && (x.keeps || x.pool != nil)}
	out.req.Body = out.body
	return nil
}

// inMemory is the type of the bodies that http.NewRequest makes of strings and bytes.
var inMemory = reflect.TypeOf(io.NopCloser(strings.NewReader("")))

// asItIs reports whether net/http should see the body itself: one in memory, which
// cannot break, is written in one piece with the head, and a file by sendfile. Both have a
// declared length, which is their size (see [exchange.Sizes]).
func (x *exchange) asItIs(rc io.ReadCloser) bool {
	if x.in.ContentLength <= 0 {
		return false // net/http sends chunks, from pieces that it reads
	}
	if x.copies() && reflect.TypeOf(rc) == inMemory {
		return true
	}
	_, file := rc.(*os.File)
	return file && !x.keeps
}

// nextBody is the caller's body for the first attempt, another one of the same
// content for the rest.
func (x *exchange) nextBody() (io.ReadCloser, error) {
	switch {
	case x.kept != nil:
		return io.NopCloser(bytes.NewReader(*x.kept)), nil
	case !x.taken:
		x.taken = true
		return x.in.Body, nil
	case x.in.GetBody != nil:
		return x.in.GetBody()
	}
	if x.last != nil {
		if rc, ok := x.last.body.reclaim(); ok {
			return rc, nil
		}
	}
	return nil, errOneBody
}

// repeat is GetBody for what sends the attempt. A base that is not a pattern may repeat by
// itself what a stale connection or a stream's refusal kept from being processed: net/http
// does so once at once, but over HTTP/2 six times more, with pauses of 1, 2, 4, ... 32 s, at
// the same endpoint. A route that resends chooses better, so that its second repetition is
// refused.
func (x *exchange) repeat() (io.ReadCloser, error) {
	if x.repeated && x.pool == nil {
		return nil, errRepeats
	}
	x.repeated = true
	rc, err := x.nextBody()
	if err != nil || x.last.body == nil {
		return rc, err
	}
	x.last.body = &requestBody{rc: rc}
	return x.last.body, nil
}

// settleBody sees to it that the caller's body is closed when the call is over.
func (x *exchange) settleBody() {
	if !x.taken {
		x.taken = true
		closeBody(x.in.Body)
	}
	if x.last != nil {
		x.last.body.letGo()
	}
}
