// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/enmesh-go/enmesh"
)

// finish turns what the chain decided into what the caller gets.
func (x *exchange) finish(err error) (*http.Response, error) {
	x.done = true
	x.settleBody()
	c := &x.k.Call
	if r := c.ReplyFor(err); r != nil {
		x.Discard()
		x.k.End(nil, enmesh.Now())
		return x.made(r), nil
	}
	if x.resp == nil || !x.belongs(err) {
		x.Discard()
		if err == nil {
			err = errNoAnswer
		}
		x.k.End(err, enmesh.Now())
		return nil, err
	}
	return x.handOut(), nil
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
	if bodyless(resp, x.in.Method) {
		x.end(nil)
		return resp
	}
	x.answer = answerBody{ReadCloser: resp.Body, x: x}
	resp.Body = &x.answer
	if rw, ok := x.answer.ReadCloser.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = upgradedBody{&x.answer, rw}
	}
	if x.t.cfg.endOnCancel {
		ctx := x.k.Context
		x.stop = context.AfterFunc(ctx, func() { x.finished(enmesh.EndOf(ctx)) })
	}
	return resp
}

// made is the response of an answer that a policy made up.
func (x *exchange) made(r *enmesh.Reply) *http.Response {
	header := make(http.Header, len(r.Header))
	for k, v := range r.Header {
		header[http.CanonicalHeaderKey(k)] = v
	}
	body := io.ReadCloser(http.NoBody)
	if len(r.Body) > 0 && x.in.Method != http.MethodHead {
		body = io.NopCloser(bytes.NewReader(r.Body))
	}
	return &http.Response{
		Status: statusLine(r.Status), StatusCode: r.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: int64(len(r.Body)), Request: x.in,
	}
}

// end says that the answer handed out has ended: nil, read or closed; else why it
// broke.
func (x *exchange) end(e *enmesh.Error) {
	x.finished(e)
	if x.stop != nil {
		x.stop()
	}
}

func (x *exchange) finished(e *enmesh.Error) {
	if !x.ended.CompareAndSwap(false, true) {
		return
	}
	now := enmesh.Now()
	holder := x
	if x.holder != nil {
		holder = x.holder
	}
	defer x.k.End(asError(e), now)
	holder.release(asError(e), now)
}

// onPanic lets go of everything when the chain panicked; the panic goes on.
func (x *exchange) onPanic() {
	if x.done {
		return
	}
	x.Discard()
	x.settleBody()
}
