// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"iter"
	"maps"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/enmesh-go/enmesh"
)

// headerView is a request's header as policies see it: the caller's own map until
// the first write, a copy from then on. Once an attempt was sent its map is frozen,
// since net/http may read it after RoundTrip has returned; the next write copies it
// anew.
type headerView struct {
	m      http.Header
	owned  bool        // m is a copy that nobody else has
	room   *headerRoom // for the first copy; nil: there is none
	copied bool        // and the first copy was made
}

var (
	_ enmesh.Header = (*headerView)(nil)
	_ enmesh.Keyed  = (*headerView)(nil)
)

// own makes m a map that may be written. Its slices are shared and never written.
func (h *headerView) own() {
	if h.owned {
		return
	}
	switch {
	case h.room != nil && !h.copied:
		h.m, h.copied = h.room.copied(h.m), true
	case h.m == nil:
		h.m = http.Header{}
	default:
		h.m = maps.Clone(h.m)
	}
	h.owned = true
}

// freeze is the map to send; it is not written again.
func (h *headerView) freeze() http.Header {
	h.owned = false
	if h.m == nil {
		h.m = http.Header{}
	}
	return h.m
}

func (h *headerView) Get(key string) string      { return first(h.Values(key)) }
func (h *headerView) Values(key string) []string { return h.m[canonical(key)] }

// Keys lists the keys.
func (h *headerView) Keys() iter.Seq[string] { return maps.Keys(h.m) }

func (h *headerView) Set(key, value string) {
	h.own()
	h.m[canonical(key)] = h.room.values(value)
}

func (h *headerView) Add(key, value string) {
	h.own()
	key = canonical(key)
	h.m[key] = append(slices.Clip(h.m[key]), value)
}

func (h *headerView) Del(key string) {
	if h.m.Values(key) == nil {
		return
	}
	h.own()
	h.m.Del(key)
}

// canonical is the key as net/http's maps have it. What every call asks for is
// known to be so.
func canonical(key string) string {
	switch key {
	case "Traceparent", "Tracestate":
		return key
	}
	return textproto.CanonicalMIMEHeaderKey(key)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// answerHeader is an answer's header. It belongs to the call, so that a write edits
// it in place.
type answerHeader http.Header

var _ enmesh.Header = answerHeader(nil)

func (h answerHeader) Get(key string) string      { return http.Header(h).Get(key) }
func (h answerHeader) Values(key string) []string { return http.Header(h).Values(key) }
func (h answerHeader) Set(key, value string)      { http.Header(h).Set(key, value) }
func (h answerHeader) Add(key, value string)      { http.Header(h).Add(key, value) }
func (h answerHeader) Del(key string)             { http.Header(h).Del(key) }

// writtenHeader is the header of an answer that a server writes. It is asked for when it
// is needed: net/http copies the header of whoever asks once the head is written.
type writtenHeader writer

var _ enmesh.Header = (*writtenHeader)(nil)

func (h *writtenHeader) Get(key string) string      { return h.ResponseWriter.Header().Get(key) }
func (h *writtenHeader) Values(key string) []string { return h.ResponseWriter.Header().Values(key) }
func (h *writtenHeader) Set(key, value string)      { h.ResponseWriter.Header().Set(key, value) }
func (h *writtenHeader) Add(key, value string)      { h.ResponseWriter.Header().Add(key, value) }
func (h *writtenHeader) Del(key string)             { h.ResponseWriter.Header().Del(key) }
