// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"net/http"
)

// How often a call that met connections which the server had closed before anything was
// written is sent again at once: over those that are kept, then over ones that are
// made for it. Many may be stale at once, and a server that closes a new connection unread
// is not to be asked for ever.
const (
	keptRepeats  = 3
	freshRepeats = 3
)

// resend sends the attempt's request again, which was not sent as err shows, until it is
// sent. Nobody above hears of it: it is no attempt more, and no budget is spent.
// It gives the first error when the body cannot be had again.
func (x *exchange) resend(ctx context.Context, out *http.Request, err error) (*http.Response, error) {
	for n := 0; n < keptRepeats+freshRepeats && closedIdle(err) && ctx.Err() == nil; n++ {
		if out = x.anew(out); out == nil {
			break
		}
		if n >= keptRepeats { // the more so as those that idle have idled for longer than the ones tried before
			x.pool.sockets.CloseIdleConnections()
		}
		var resp *http.Response
		if resp, err = x.pool.sockets.RoundTrip(out); err == nil {
			return resp, nil
		}
	}
	return nil, err
}

// anew is a request of the attempt to be sent again, nil if its body cannot be had again.
func (x *exchange) anew(sent *http.Request) *http.Request {
	if !x.hasBody() {
		return sent
	}
	out := &outgoing{req: *sent, url: *sent.URL}
	out.req.URL, out.req.Body, out.req.GetBody = &out.url, nil, x.in.GetBody
	if x.body(out) != nil {
		return nil
	}
	x.last = out
	return &out.req
}
