// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"errors"
	"log"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// errOneAnswer is what a chain gets that sends a request to its handler twice.
var errOneAnswer = &enmesh.Error{
	Code: enmesh.Internal, Outcome: enmesh.Neutral, Policy: "meshhttp",
	Err: errors.New("a server's call cannot be repeated"),
}

// handed is what the handler gets, and may keep when it has returned: the context, the
// request and the ResponseWriter.
type handed struct {
	link enmesh.WatchedLink
	out  http.Request
	w    writer
	body countedBody
}

// served is the record of one request on the server, used again when the request is
// over (see recycle).
type served struct {
	k      enmesh.Carrier
	h      *Handler
	in     *http.Request // the server's
	seen   view          // what it asks for
	to     *handed
	header headerView
	hooks  enmesh.Spare
	ran    bool

	trailers bool // there are some, and they are sifted
}

// requests has the records of requests that are over.
var requests sync.Pool // of *served

func newServed(h *Handler, w http.ResponseWriter, r *http.Request) *served {
	x, ok := requests.Get().(*served)
	if !ok {
		x = new(served)
	}
	x.h, x.in, x.to = h, r, new(handed)
	x.to.w.ResponseWriter = w
	x.to.w.x.Store(x)
	return x
}

// begin starts the call in the request's context, or in one on top of it.
func (x *served) begin(ctx context.Context) {
	x.k.Begin(ctx, x)
	x.k.Lend(&x.hooks)
	x.to.link.Tie(&x.k)
}

// recycle gives the record back, unless somebody may still know it: who looked the Call
// up in the handler's context, or who has taken the connection over. It is the last that
// is done with a request.
func (x *served) recycle() {
	to := x.to
	if to.w.hijacked || !x.k.Reusable() {
		return
	}
	to.w.x.Store(nil)
	if !to.link.Cut() {
		return
	}
	hooks := x.hooks.Emptied()
	*x = served{} // by itself, it is cleared in place
	x.hooks = hooks
	requests.Put(x)
}

var _ enmesh.Exchange = (*served)(nil)

// Send runs the handler, unless the caller's time is over already.
func (x *served) Send(ctx context.Context, c *enmesh.Call) error {
	if x.ran {
		return errOneAnswer
	}
	if e := c.EndOf(ctx); e != nil {
		return e
	}
	x.ran = true
	x.prepare(ctx, c)
	x.serve()
	if e := x.outcome(ctx, c); e != nil { // a nil *Error is not a nil error
		return e
	}
	return nil
}

// prepare makes the handler's request, with what policies changed.
func (x *served) prepare(ctx context.Context, c *enmesh.Call) {
	x.to.w.watcher, x.to.w.head = x.k.Watcher(), c.HeadEdit()
	out := &x.to.out
	*out = *x.in.WithContext(ctx)
	if hasBody(out) {
		x.to.body.ReadCloser = out.Body
		out.Body = &x.to.body
	}
	out.Header = x.header.freeze()
	out.Host, out.URL, out.RequestURI = c.Authority, x.seen.url, x.seen.uri
	if u := x.seen.url; c.Path != u.Path || c.Query != u.RawQuery {
		out.URL = rewritten(u, c)
		out.RequestURI = out.URL.RequestURI() // or the handler would still find there what a policy took out
	}
	if x.trailers {
		x.h.strip.sift(out)
	}
}

func (x *served) serve() {
	defer x.handBack()
	x.h.next.ServeHTTP(x.to.w.as(), &x.to.out)
}

// handBack gives the server's request what ServeMux and ParseMultipartForm left on
// the handler's: the pattern, and the form whose files the server removes.
func (x *served) handBack() {
	out := &x.to.out
	x.in.Pattern = out.Pattern
	if out.MultipartForm != nil {
		x.in.MultipartForm = out.MultipartForm
	}
}

// outcome reads what the handler did.
func (x *served) outcome(ctx context.Context, c *enmesh.Call) *enmesh.Error {
	status := int(x.to.w.status)
	if status == 0 {
		if e := c.EndOf(ctx); e != nil {
			return e // too late, and nothing is written: finish answers
		}
		status = http.StatusOK // net/http writes it when the handler has returned
		x.to.w.edit()
	}
	c.Answer = enmesh.Answer{Status: status, Header: (*writtenHeader)(&x.to.w)}
	if x.to.w.status == 0 {
		x.k.Answered(enmesh.Now()) // else it was noted as it was written
	}
	if status >= 500 {
		if e := c.EndOf(ctx); e != nil {
			return e // it gave up because the caller had, or the time was over
		}
	}
	if status < 400 {
		return nil
	}
	return statusError(status, x.to.w.Header())
}

// Replayable is false: the handler has read the body.
func (x *served) Replayable() bool { return !x.ran }

// Discard does nothing: what the handler wrote is out.
func (x *served) Discard() {}

// Fork is refused.
func (x *served) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) {
	return nil, errOneAnswer
}

// Adopt is never called: there are no forks.
func (x *served) Adopt(enmesh.Exchange) {}

// finish answers what the chain decided, unless the handler has answered, and ends
// the call, unless a hijacked connection outlives it.
func (x *served) finish(err error) {
	p := panicOf(err)
	if p != nil {
		x.log(p.Value, p.Stack)
	}
	begun := x.to.w.status != 0
	if !begun {
		x.answer(err)
	}
	if !x.to.w.hijacked {
		x.k.End(nil, enmesh.Now())
	}
	if p != nil && begun {
		panic(http.ErrAbortHandler) // the answer had begun: it must not look whole
	}
}

// panicOf is the panic that a Recover in the chain made an error of, or nil.
func panicOf(err error) *enmesh.PanicError {
	if err == nil {
		return nil
	}
	var p *enmesh.PanicError
	errors.As(err, &p)
	return p
}

// answer writes the made-up answer or the refusal that belongs to err.
func (x *served) answer(err error) {
	c, n := &x.k.Call, 0
	if r := c.ReplyFor(err); r != nil {
		c.Answer.Status = r.Status
		n = writeReply(x.to.w.ResponseWriter, r, c.HeadEdit())
	} else if err != nil {
		c.Answer.Status, n = writeRefusal(x.to.w.ResponseWriter, err, c.HeadEdit())
	}
	x.to.w.count.Add(int64(n))
}

// rescue ends a request whose chain or handler panicked.
func (x *served) rescue() {
	v := recover() //nolint:revive // rescue is what is deferred
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares so too
		panic(v)
	}
	x.log(v, debug.Stack())
	if x.to.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	writeRefusal(x.to.w.ResponseWriter, enmesh.ErrPanic, x.k.Call.HeadEdit())
}

func (x *served) log(v any, stack []byte) {
	logf := log.Printf
	if s, ok := x.in.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		logf = s.ErrorLog.Printf
	}
	logf("meshhttp: panic serving %s %q for %s at %s: %v\n%s",
		x.k.Call.Method, x.seen.url.Path, x.in.RemoteAddr, time.Now().Format(time.RFC3339), v, stack)
}
