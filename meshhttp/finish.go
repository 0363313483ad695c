// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// finish turns what the chain decided into what the caller gets.
func (x *exchange) finish(err error) (*http.Response, error) {
	x.settleBody()
	if r := x.k.Call.ReplyFor(err); r != nil {
		x.Discard()
		made := x.made(r)
		x.end(nil)
		return made, nil
	}
	if x.resp == nil || !x.belongs(err) {
		x.Discard()
		if err == nil {
			err = errNoAnswer
		}
		x.end(err)
		return nil, err
	}
	return x.handOut(), nil
}

// end says how the call ended, and is the last to know its record.
func (x *exchange) end(err error) {
	x.k.End(err, enmesh.Now())
	x.recycle()
}

// belongs reports whether err is what the answer held means: only then may the
// caller have it. A chain that made a success of an error has it too.
func (x *exchange) belongs(err error) bool {
	return err == nil || x.err != nil && errors.Is(err, x.err)
}

// handOut is the answer held, with a body that ends the call.
func (x *exchange) handOut() *http.Response {
	resp := x.resp
	resp.Request = x.in
	if edit := x.k.Call.HeadEdit(); edit != nil {
		edit(answerHeader(resp.Header))
	}
	if bodyless(resp, x.in.Method) {
		x.finished(nil)
		return resp
	}
	answer := &x.out.answer
	answer.ReadCloser, answer.watcher = resp.Body, x.k.Watcher()
	resp.Body = answer
	if rw, ok := answer.ReadCloser.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		x.upgraded = new(atomic.Int64)
		resp.Body = upgradedBody{answer, rw, x.upgraded}
	}
	ctx, endOnCancel := x.k.Context, x.t.cfg.endOnCancel
	answer.x.Store(x)
	if endOnCancel {
		answer.stop = context.AfterFunc(ctx, func() {
			if x := answer.x.Swap(nil); x != nil {
				x.first = nil // the body is not closed
				x.finished(enmesh.EndOf(ctx))
			}
		})
	}
	return resp
}

// made is the response of an answer that a policy made up.
func (x *exchange) made(r *enmesh.Reply) *http.Response {
	header := make(http.Header, len(r.Header))
	for k, v := range r.Header {
		header[http.CanonicalHeaderKey(k)] = v
	}
	if edit := x.k.Call.HeadEdit(); edit != nil {
		edit(answerHeader(header))
	}
	body := io.ReadCloser(http.NoBody)
	if len(r.Body) > 0 && x.in.Method != http.MethodHead {
		x.out.answer.count.Store(int64(len(r.Body)))
		body = io.NopCloser(bytes.NewReader(r.Body))
	}
	return &http.Response{
		Status: statusLine(r.Status), StatusCode: r.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: int64(len(r.Body)), Request: x.in,
	}
}

// finished says that the answer handed out has ended: nil, read or closed; else why
// it broke. Whoever has taken the record out of the answer calls it, once.
func (x *exchange) finished(e *enmesh.Error) {
	now := enmesh.Now()
	holder := x
	if x.holder != nil {
		holder = x.holder
	}
	settled := false
	defer func() {
		x.k.End(asError(e), now)
		if settled {
			x.recycle()
		}
	}()
	holder.release(asError(e), now)
	settled = true
}

// onPanic lets go of everything when the chain panicked; the panic goes on.
func (x *exchange) onPanic(returned *bool) {
	if *returned {
		return
	}
	x.Discard()
	x.settleBody()
}
