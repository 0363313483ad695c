// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"strings"
)

// How often one attempt's request is sent again over other connections of the same endpoint.
const (
	// mostMoves is how often it leaves a connection of HTTP/2 that took it no more, or whose
	// server has said with GOAWAY that it did not process it: as net/http, but without its
	// pauses, since the next connection is a new one.
	mostMoves = 6

	// mostRefused is how often it is sent again that HTTP/2 refused with REFUSED_STREAM: the
	// server lives, and may have no room.
	mostRefused = 1

	// mostTwice is how often it is sent again that a kept connection of HTTP/1.1 broke under,
	// if it may be served twice.
	mostTwice = 3
)

// repeats counts how often a request was sent again, and why.
type repeats struct{ moved, refused, twice int }

// next is req to be sent again after err; nil when it is not to be.
func (r *repeats) next(req *http.Request, err error, fresh bool) *http.Request {
	n, most := &r.twice, mostTwice
	switch {
	case req.Context().Err() != nil:
		return nil
	case unusable(err):
		n, most = &r.moved, mostMoves
	case refusedStream(err):
		n, most = &r.refused, mostRefused
	case fresh || !brokenRead(err) || !mayRepeat(req):
		return nil
	}
	*n++
	if *n > most {
		return nil
	}
	return rewound(req)
}

// mayRepeat reports whether net/http would send req twice by itself: PUT and DELETE are
// idempotent, but what they are answered the second time may be another thing.
func mayRepeat(req *http.Request) bool {
	return idempotent(req.Method, req.Header) && req.Method != http.MethodPut && req.Method != http.MethodDelete
}

// brokenRead reports whether a connection of HTTP/1.1 ended before the first byte of an answer.
func brokenRead(err error) bool {
	return strings.HasPrefix(err.Error(), "net/http: Transport failed to read from server: ")
}

// rewound is req to be sent again, or nil if its body cannot be had again.
func rewound(req *http.Request) *http.Request {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return req
	case req.GetBody == nil:
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	next := *req
	next.Body = body
	return &next
}
