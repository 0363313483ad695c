// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

const (
	// drainFor is how long an endpoint that has said it is about to end gets no new
	// calls, unless discovery takes it away before.
	drainFor = 30 * time.Second
	// falseAlarms is by what that shrinks each time when it was not true: an endpoint
	// that is still there closes connections for reasons of its own.
	falseAlarms = 8
	// leastDrain is where it has become nothing.
	leastDrain = 50 * time.Millisecond
)

// farewell is what an endpoint has said of its end.
type farewell struct {
	until  atomic.Int64 // an Instant: until when the last one is believed
	alarms atomic.Int32 // how many there were
}

// heed has an endpoint drain whose answer says that its process is about to end.
func (x *exchange) heed(resp *http.Response, now enmesh.Instant) {
	if x.pool == nil || !x.saysGoodbye(resp) {
		return
	}
	x.leave(now)
}

// saysGoodbye reads the hint and takes our own off the answer. What this side asked for
// is none, nor is the end of the connection that ends a body without a length.
func (x *exchange) saysGoodbye(resp *http.Response) bool {
	if resp.ProtoMajor >= 2 {
		if _, ok := resp.Header[DrainingHeader]; ok {
			delete(resp.Header, DrainingHeader)
			return true
		}
		return false
	}
	return resp.Close && resp.ProtoAtLeast(1, 1) && !endless(resp) && !x.last.req.Close && !x.pool.rt.DisableKeepAlives && !lists(x.last.req.Header["Connection"], "close")
}

// endless reports whether the body of an HTTP/1.1 answer goes on to the connection's end.
func endless(resp *http.Response) bool {
	return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && !resp.Uncompressed
}

// lists reports whether a list header has the token.
func lists(values []string, token string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// leave has the attempt's endpoint drain. Answers that come together say it once.
// The connections that are idle there are closed: the server then has fewer to wait for,
// and none is found stale later.
func (x *exchange) leave(now enmesh.Instant) {
	e, ok := x.k.Call.Endpoint.(*balance.Endpoint)
	if !ok {
		return
	}
	f := &x.pool.farewell
	before := f.until.Load()
	span := believed(f.alarms.Load())
	if int64(now) < before || span == 0 || !f.until.CompareAndSwap(before, int64(now.Add(span))) {
		return
	}
	f.alarms.Add(1)
	e.Drain(now.Add(span))
	x.pool.closeIdle()
}

// believed is how long a farewell counts after n that were not meant.
func believed(n int32) time.Duration {
	span := drainFor
	for range n {
		if span /= falseAlarms; span < leastDrain {
			return 0
		}
	}
	return span
}
