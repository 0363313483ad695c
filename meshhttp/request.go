// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strconv"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// request makes the attempt's request and says what sends it.
func (x *exchange) request(ctx context.Context, c *enmesh.Call) (*http.Request, http.RoundTripper, *enmesh.Error) {
	if !sendable(c) {
		return nil, nil, errUnsendable
	}
	out, ctx := x.outgoing(ctx)
	out.req = *x.in.WithContext(ctx)
	out.url = *x.in.URL
	rewrite(&out.url, c)
	out.req.URL, out.req.Host = &out.url, c.Authority
	rt, e := x.aim(out, c)
	if e != nil {
		return nil, nil, e
	}
	writeDeadline(ctx, &x.header, x.t.cfg.deadlineHeader, x.t.cfg.deadlineSlack)
	if c.Attempt > 1 {
		x.header.Set(enmesh.AttemptHeader, strconv.Itoa(c.Attempt))
	}
	out.req.Header = x.header.freeze()
	if e := x.body(out); e != nil {
		return nil, nil, e
	}
	x.last = out
	return &out.req, rt, nil
}

// outgoing is room for the attempt's request, and its context. A request is used again
// where the endpoint has last answered over HTTP/1.
func (x *exchange) outgoing(ctx context.Context) (*outgoing, context.Context) {
	switch {
	case x.last != nil:
		return new(outgoing), ctx
	case x.plain != nil:
		return x.plain, ctx
	case x.copied, x.pool == nil, !x.pool.one.Load(), x.k.Call.HasTried(), x.in.Cancel != nil, //nolint:staticcheck // callers may still set it
		httptrace.ContextClientTrace(ctx) != nil:
		return new(outgoing), ctx
	case x.first == nil:
		x.first = newReused()
	}
	w := &x.out.watched
	w.Context, w.trace = ctx, x.first.trace
	return &x.first.outgoing, w
}

// aim points the attempt's URL at the endpoint. Over TLS that the mesh decides, and
// in plaintext, the URL has the endpoint's address; over https that the caller asked
// for it keeps the host that the server's certificate must name.
func (x *exchange) aim(out *outgoing, c *enmesh.Call) (http.RoundTripper, *enmesh.Error) {
	e, ok := c.Endpoint.(*balance.Endpoint)
	if !ok || e == nil {
		return x.t.base, nil
	}
	switch {
	case x.pool == nil && x.t.secure != nil && x.t.secure.ClientTLS(e) != nil:
		return nil, errForeignBase
	case x.pool == nil:
		out.url.Host = e.Addr()
		return x.t.base, nil
	case x.t.pools.secured(e, x.pool):
		out.url.Scheme, out.url.Host = "https", e.Addr()
	case out.url.Scheme != "https":
		out.url.Host = e.Addr()
	}
	return x.pool.sockets, nil
}

var _ enmesh.Pather = (*exchange)(nil)

// Written implements [enmesh.Pather].
func (x *exchange) Written() (path, raw string) { return x.in.URL.Path, x.in.URL.RawPath }

// sentContext is the context of the attempt whose answer is held or handed out.
func (x *exchange) sentContext() context.Context {
	if x.holder != nil {
		return x.holder.last.req.Context()
	}
	return x.last.req.Context()
}
