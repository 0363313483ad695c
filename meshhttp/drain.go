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
	// falseAlarms is by what that shrinks each time when it was not true: a server that
	// is still there closes connections for reasons of its own.
	falseAlarms = 8
	// leastDrain is what it shrinks to: long enough for a process that does end.
	leastDrain = 3 * time.Second
)

// farewell is what an endpoint has said of its end.
type farewell struct {
	heard  atomic.Int64 // an Instant: when it was last told; 0: never
	until  atomic.Int64 // an Instant: until when that is believed
	alarms atomic.Int32 // how many came one soon after the other
	closes atomic.Bool  // it has kept no connection since the last one
}

// word is what an answer says of its endpoint's end.
type word uint8

const (
	stays  word = iota // nothing: the connection is kept
	closes             // the connection ends, for one reason or another
	leaves             // the process ends
	silent             // nothing that can be told from what this side asked for
)

// heed has an endpoint drain whose answer says that its process is about to end.
func (x *exchange) heed(resp *http.Response, now enmesh.Instant) {
	if x.pool == nil {
		return
	}
	x.heedKeepAlive(resp)
	switch w := x.wordOf(resp); w {
	case stays:
		if f := &x.pool.farewell; f.until.Load() != 0 {
			x.stay(f, now)
		}
	case closes, leaves:
		x.part(w, now)
	case silent:
	}
}

// wordOf reads the hint and takes our own off the answer. Over HTTP/1.1 that counts only
// on a connection that ends: otherwise a proxy has passed it on.
func (x *exchange) wordOf(resp *http.Response) word {
	_, ours := resp.Header[DrainingHeader]
	if ours {
		delete(resp.Header, DrainingHeader)
	}
	req := &x.last.req
	switch {
	case ours && (resp.ProtoMajor >= 2 || resp.Close):
		return leaves
	case resp.ProtoMajor >= 2 || !resp.Close:
		return stays
	case !resp.ProtoAtLeast(1, 1) || endless(resp) || req.Close || x.pool.sockets.transport.DisableKeepAlives || lists(req.Header["Connection"], "close"):
		return silent
	}
	return closes
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

// afterFarewell is how long after an endpoint's farewell its idle connections are closed
// once more: the one that brought it carried a call then.
const afterFarewell = 250 * time.Millisecond

// leave is for a request that GOAWAY left behind: its endpoint may be about to end.
func (x *exchange) leave(now enmesh.Instant) { x.part(closes, now) }

// part has the attempt's endpoint drain. Answers that come together say it once.
// The connections that are idle there are closed: the server then has fewer to wait for,
// and none is found stale later.
func (x *exchange) part(w word, now enmesh.Instant) {
	e, ok := x.k.Call.Endpoint.(*balance.Endpoint)
	if !ok {
		return
	}
	switch span := x.pool.farewell.believe(w, now); {
	case span > 0:
		e.Drain(now.Add(span))
		x.pool.sockets.CloseIdleConnections()
		time.AfterFunc(afterFarewell, x.pool.sockets.CloseIdleConnections)
	case w == leaves: // it is called all the same, for want of a better
		x.pool.sockets.CloseIdleConnections()
	}
}

// stay ends a drain that is over: a request that was sent after the farewell, where
// nothing better was ready, has been answered as if there had been none. Another
// process has the address now, or the word was not meant.
func (x *exchange) stay(f *farewell, now enmesh.Instant) {
	f.closes.Store(false)
	before := f.until.Load()
	if int64(now) >= before || int64(x.k.Call.PickedAt()) <= f.heard.Load() {
		return
	}
	if e, ok := x.k.Call.Endpoint.(*balance.Endpoint); ok && f.until.CompareAndSwap(before, int64(now)) {
		e.Drain(now)
	}
}

// believe is how long the endpoint is to drain; 0: it drains already, or is known to
// say so always.
func (f *farewell) believe(w word, now enmesh.Instant) time.Duration {
	f.heard.Store(int64(now))
	before := f.until.Load()
	if int64(now) < before || f.closes.Swap(true) && w == closes {
		return 0
	}
	span := drainFor
	if w == closes {
		if before == 0 || now.Sub(enmesh.Instant(before)) > drainFor {
			f.alarms.Store(0)
		}
		for range f.alarms.Load() {
			span = max(span/falseAlarms, leastDrain)
		}
	}
	if !f.until.CompareAndSwap(before, int64(now.Add(span))) {
		return 0
	}
	if w == closes {
		f.alarms.Add(1)
	}
	return span
}
