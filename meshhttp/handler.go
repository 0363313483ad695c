// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/urlpath"
)

// Handler runs a Router's chains around an http.Handler. It is safe for concurrent
// use.
//
// The handler inside is the far side of the chain: a status of 400 and above that
// it writes is an error inside the chain, and on the wire already. What the chain
// refuses before the handler has run, Handler answers: with the Reply that the
// policy made, or with the error's status, a Retry-After if it has one, and a line
// of text.
//
// What a request asks for is brought into one form before any policy sees it, and the
// handler gets that form: Call.Path, Call.Authority and Call.Header are the request's
// URL.Path, Host and Header. What is ambiguous is refused (see [WithPathNormalization],
// [AllowMethods], [WithServerNameCheck]), and headers in which anybody could claim to be
// somebody are taken off (see [WithStrippedHeaders]).
//
// A panic ends the request with status 500, or cuts the connection when the answer
// had begun, and is logged to the server's ErrorLog; http.ErrAbortHandler goes on
// as net/http knows it. A hijacked call ends when its connection is closed and the
// handler has returned.
//
// A connection with mutual TLS is ended softly, between requests, after 40 min or four
// fifths of what is left of the client's certificate, less up to two fifths of that by chance,
// so that the client shows its present one.
type Handler struct {
	next    http.Handler
	router  enmesh.Router
	cfg     serverConfig
	strip   stripper
	sources sources
	refused atomic.Uint64
}

// NewHandler makes a Handler around h that routes by r. The ResponseWriter that h
// sees keeps Flusher, Hijacker, ReaderFrom and Pusher as far as the server's own has
// them, and unwraps for http.ResponseController.
func NewHandler(h http.Handler, r enmesh.Router, opts ...ServerOption) *Handler {
	cfg := newServerConfig(opts)
	if cfg.recorder == nil {
		cfg.recorder, _ = r.(enmesh.Recorder)
	}
	return &Handler{next: h, router: r, cfg: cfg, strip: cfg.stripper()}
}

// ServeHTTP runs one request through its route's chain.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen, e := h.look(r)
	if e != nil {
		if e != errPaths[urlpath.Relative] || !h.general(w, r) {
			h.refuse(w, r, e)
		}
		return
	}
	x := newServed(h, w, r)
	x.seen = seen
	ctx := r.Context()
	if a := h.announced(x); a != nil {
		defer a.end()
		ctx = a
	}
	x.begin(ctx)
	x.describe()
	x.strip()
	defer x.rescue()
	x.k.Enter(h.router)
	x.finish(x.k.RunIn(&x.to.link))
	x.recycle()
}

// announced is the request's context with the deadline that the caller announced, or
// nil when it announced none.
func (h *Handler) announced(x *served) *announced {
	name := h.cfg.deadlineHeader
	if name == "" {
		return nil
	}
	v := x.in.Header[name]
	if len(v) == 0 {
		return nil
	}
	return announce(x.in.Context(), &x.k.Call, v[0], h.cfg.maxDeadline)
}

// describe fills in the Call from the request.
func (x *served) describe() {
	r, c := x.in, &x.k.Call
	c.Side, c.Protocol = enmesh.Server, enmesh.HTTP
	c.Method, c.Path, c.Query = method(r.Method), x.seen.url.Path, x.seen.url.RawQuery
	c.Scheme, c.Authority = "http", x.seen.host
	if r.TLS != nil {
		c.Scheme = "https"
	}
	c.Service, c.Port = splitAuthority(c.Authority)
	c.Idempotent = idempotent(r.Method, r.Header)
	x.header.m = r.Header
	c.Header = &x.header
	c.Answer.Header = (*writtenHeader)(&x.to.w)
	from := x.h.sources.of(r, x.h.cfg.identity)
	c.Source = &from.Peer
	if from.worn(c.Clock) && r.Header["Upgrade"] == nil {
		x.to.w.ResponseWriter.Header().Set("Connection", "close") // over HTTP/2 net/http sends GOAWAY
	}
}

// method is the request's method; net/http reads "" as GET.
func method(m string) string {
	if m == "" {
		return http.MethodGet
	}
	return m
}

// splitAuthority takes "host:port" apart; the port is 0 when there is none. An IPv6
// address loses its brackets.
func splitAuthority(authority string) (host string, port uint16) {
	if authority == "" {
		return "", 0
	}
	last := authority[len(authority)-1]
	if last < '0' || last > '9' { // the common case: a bare name
		if last == ']' && authority[0] == '[' {
			return authority[1 : len(authority)-1], 0
		}
		return authority, 0
	}
	host, text, err := net.SplitHostPort(authority)
	if err != nil {
		return authority, 0
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, uint16(n)
}
