// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// reused is the first attempt's request of one call after another: the request itself,
// its URL and its header are the most of what a call over HTTP/1.1 would leave to the
// collector. It serves another call when net/http was given one connection for it, has
// written it, has answered, and the answer's body has ended: from then on net/http does
// not look at a request (see http.RoundTripper and httptrace.ClientTrace). Over HTTP/2,
// whose streams end when they like, there is none.
type reused struct {
	outgoing
	room headerRoom

	// How often net/http got a connection for a request, and had written one; never set
	// back, so that a hook that comes late cannot hide another that has yet to come.
	begun, ended atomic.Uint32
	before       uint32 // begun when the present call started
	answered     bool   // RoundTrip has returned an answer
	trace        *httptrace.ClientTrace
}

func newReused() *reused {
	r := new(reused)
	r.room.m = make(http.Header)
	r.trace = &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { r.begun.Add(1) },
		WroteRequest: func(httptrace.WroteRequestInfo) { r.ended.Add(1) },
	}
	return r
}

// written reports whether net/http has answered the call over one connection, and has
// written all of it. It is false when nothing is known.
func (r *reused) written() bool {
	want := r.before + 1
	return r.answered && r.ended.Load() == want && r.begun.Load() == want
}

// reset forgets the call.
func (r *reused) reset() {
	r.outgoing = outgoing{}
	r.room.reset()
	r.before, r.answered = r.begun.Load(), false
}

// watchedContext is an attempt's context, which has no trace, with one.
type watchedContext struct {
	context.Context //nolint:containedctx // it is a context
	trace           any
}

// Value is the trace, or the attempt's: net/http looks for the one five times a request.
func (c *watchedContext) Value(key any) any {
	if key == traceKey {
		return c.trace
	}
	return c.Context.Value(key)
}

// traceKey is the key by which httptrace finds a trace in a context.
var traceKey = func() any {
	k := &keyOf{Context: context.Background()}
	httptrace.ContextClientTrace(k)
	return k.key
}()

// keyOf notes the key that it is asked for.
type keyOf struct {
	context.Context //nolint:containedctx // it is a context
	key             any
}

// Value notes the key.
func (k *keyOf) Value(key any) any {
	k.key = key
	return nil
}

// maxRoom is the most headers that a map is kept for.
const maxRoom = 16

// headerRoom is where the first copy of a call's header goes.
type headerRoom struct {
	m    http.Header
	cell [1]string // the values of the first header that is set
	used bool      // cell is
}

// copied is the room with a copy of h.
func (r *headerRoom) copied(h http.Header) http.Header {
	maps.Copy(r.m, h)
	return r.m
}

// values is a slice of one value.
func (r *headerRoom) values(value string) []string {
	if r == nil || r.used {
		return []string{value}
	}
	r.used = true
	r.cell[0] = value
	return r.cell[:1:1]
}

// reset empties the room.
func (r *headerRoom) reset() {
	if len(r.m) > maxRoom {
		r.m = make(http.Header)
	}
	clear(r.m)
	r.cell[0], r.used = "", false
}
