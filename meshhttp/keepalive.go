// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh/balance"
)

// keepAliveHeader is where an HTTP/1.1 server says how long it keeps an idle connection
// (RFC 2068, section 19.7.1.1); Node and Apache do, whose 5 s are short.
const keepAliveHeader = "Keep-Alive"

// heedKeepAlive has this side close idle connections before the server does.
func (x *exchange) heedKeepAlive(resp *http.Response) {
	told, ok := resp.Header[keepAliveHeader]
	if !ok || resp.ProtoMajor != 1 {
		return
	}
	limit := idleOf(told[0])
	if limit <= 0 || x.pool.cfg.IdleTimeout > 0 && x.pool.cfg.IdleTimeout <= limit {
		return
	}
	if e, ok := x.k.Call.Endpoint.(*balance.Endpoint); ok {
		x.t.pools.shorten(e, x.pool, limit)
	}
}

// idleOf is how long a connection may idle where a server says "timeout=5, max=100": three
// quarters of that, since the server began to count when the answer left it. 0 means that
// it does not say.
func idleOf(told string) time.Duration {
	for part := range strings.SplitSeq(told, ",") {
		text, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(part)), "timeout=")
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return time.Duration(n) * time.Second * 3 / 4
		}
	}
	return 0
}

// shorten makes the connections of an endpoint anew that idle no longer than limit.
func (p *pools) shorten(e *balance.Endpoint, of *pool, limit time.Duration) {
	p.learned.Store(e, limit)
	first := p.byEnd.CompareAndDelete(e, of)
	if first {
		of.retire()
	}
	switch {
	case e.Gone() || p.closed.Load():
		p.learned.Delete(e)
	case first && of.cfg.Prewarm > 0:
		p.warm([]*balance.Endpoint{e})
	}
}
