// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

const (
	// drainLimit is how much of an answer that is thrown away is read, so that its
	// connection can be used again.
	drainLimit = 4 << 10
	// drainTime is how long that may take.
	drainTime = 50 * time.Millisecond
)

// bodyless reports whether an answer to method ends with its head. "No body" is not
// http.NoBody: HTTP/2's empty answers have a type of their own.
func bodyless(resp *http.Response, method string) bool {
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols:
		return false
	case http.StatusNoContent, http.StatusNotModified:
		return true
	}
	return method == http.MethodHead || resp.ContentLength == 0 || resp.Body == nil || resp.Body == http.NoBody
}

// drain closes an answer's body: read first if it says that it is short, so that
// the connection is kept.
func drain(resp *http.Response) {
	if resp.Body == nil {
		return
	}
	if n := resp.ContentLength; n > 0 && n <= drainLimit {
		slow := time.AfterFunc(drainTime, func() { _ = resp.Body.Close() })
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drainLimit+1)) // whatever ends it, it is closed next
		slow.Stop()
	}
	_ = resp.Body.Close() // nobody waits for this answer
}

// answerBody is an answer's body whose end is the end of the call.
type answerBody struct {
	io.ReadCloser
	x       atomic.Pointer[exchange] // nil once the call has ended
	stop    func() bool              // with EndOnCancel
	watcher enmesh.Watcher           // nil: nobody
	count   atomic.Int64             // of the bytes that the caller has got
}

// Read ends the call at the end of the body, or where it breaks.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	if n > 0 && b.watcher != nil {
		b.watcher.Moved()
	}
	if err != nil {
		b.end(err)
	}
	return n, err
}

// Close ends the call as a success: the caller has what it wanted.
func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

// end ends the call, if nobody has: err is what the body gave.
func (b *answerBody) end(err error) {
	x := b.x.Swap(nil)
	if x == nil {
		return
	}
	if b.stop != nil {
		b.stop()
	}
	x.finished(x.why(err))
}

// why says what the end of the answer means: nil is a success.
func (x *exchange) why(err error) *enmesh.Error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if e := enmesh.EndOf(x.sentContext()); e != nil || err == nil {
		return e
	}
	return brokenAnswer(err)
}

// upgradedBody is the body of a 101 answer, which is the connection.
type upgradedBody struct {
	*answerBody
	w       io.Writer
	written *atomic.Int64
}

// Write writes to the connection.
func (b upgradedBody) Write(p []byte) (int, error) {
	n, err := b.w.Write(p)
	b.written.Add(int64(n))
	if n > 0 && b.watcher != nil {
		b.watcher.Moved()
	}
	return n, err
}

// CloseWrite ends the sending direction, if the connection can do that.
func (b upgradedBody) CloseWrite() error {
	if c, ok := b.w.(closeWriter); ok {
		return c.CloseWrite()
	}
	return http.ErrNotSupported
}

// statusLine is "404 Not Found".
func statusLine(status int) string {
	text := strconv.Itoa(status)
	if name := http.StatusText(status); name != "" {
		text += " " + name
	}
	return text
}
