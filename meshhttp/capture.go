// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/enmesh-go/enmesh"
)

var _ enmesh.Capturer = (*exchange)(nil)

// RequestBody is the body, if there is none or a copy of it is kept.
func (x *exchange) RequestBody(limit int) ([]byte, bool) {
	switch {
	case !x.hasBody():
		return nil, true
	case x.kept != nil && len(*x.kept) <= limit:
		return *x.kept, true
	}
	return nil, false
}

// Capture copies the answer while it is read.
func (x *exchange) Capture(limit int, then func(*enmesh.Reply)) bool {
	resp := x.resp
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols || resp.ContentLength > int64(limit) {
		return false
	}
	reply := &enmesh.Reply{Status: resp.StatusCode, Header: resp.Header.Clone()}
	for _, hop := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade"} {
		delete(reply.Header, hop)
	}
	if bodyless(resp, x.in.Method) {
		then(reply)
		return true
	}
	resp.Body = &capture{ReadCloser: resp.Body, limit: limit, reply: reply, then: then}
	return true
}

// capture is an answer's body that is copied as it is read.
type capture struct {
	io.ReadCloser
	limit int
	reply *enmesh.Reply // nil: it was handed out, or there is none to be had
	then  func(*enmesh.Reply)
}

// Read hands out the copy at the end of the body.
func (b *capture) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	r := b.reply
	if r == nil {
		return n, err
	}
	switch {
	case n > b.limit-len(r.Body), err != nil && !errors.Is(err, io.EOF):
		b.reply = nil
		return n, err
	case n > 0:
		r.Body = append(r.Body, p[:n]...)
	}
	if err != nil {
		b.reply = nil
		r.Body = slices.Clip(r.Body)
		b.then(r)
	}
	return n, err
}
