// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
)

// received is metadata that came, or is about to be handed out, as an
// enmesh.Header. It is written in place: whoever makes one owns the map.
type received metadata.MD

func (h received) Get(key string) string      { return first(h.Values(key)) }
func (h received) Values(key string) []string { return h[lower(key)] }
func (h received) Set(key, value string)      { h[lower(key)] = []string{value} }
func (h received) Del(key string)             { delete(h, lower(key)) }
func (h received) Add(key, value string) {
	key = lower(key)
	h[key] = append(slices.Clone(h[key]), value)
}

// inlinePairs is how many appended keys a call holds without allocating: the trace
// context.
const inlinePairs = 1

// writes is what policies did to the metadata of a call. As long as they only add
// keys that the caller has not set, these are collected and appended once per
// attempt; anything else goes the slow way, over a copy of all metadata.
type writes struct {
	slow   *slowWrites
	inline [2 * inlinePairs]string
	n      uint8 // inline strings in use
	loaded bool  // the caller's metadata was looked at
}

// slowWrites is what a call whose caller sets no metadata, and whose policies add
// but one key, does not need.
type slowWrites struct {
	base   metadata.MD // the caller's, a copy; only read
	edited metadata.MD // replaces the caller's; nil while only keys were added
	spill  []string    // added keys and values beyond the inline ones
	frozen bool        // an attempt was sent with edited: copy before the next write
}

// outgoing is the enmesh.Header of a client's exchange.
type outgoing exchange

// caller is the caller's own metadata, copied once.
func (h *outgoing) caller() metadata.MD {
	w := &h.writes
	if !w.loaded {
		w.loaded = true
		if base, ok := metadata.FromOutgoingContext(h.Carrier.Context); ok {
			w.more().base = base
		}
	}
	if w.slow == nil {
		return nil
	}
	return w.slow.base
}

// Get is the first value of key, or "".
func (h *outgoing) Get(key string) string { return first(h.Values(key)) }

// Values is all values of key, the caller's first.
func (h *outgoing) Values(key string) []string {
	key = lower(key)
	w := &h.writes
	if w.replaces() {
		return w.slow.edited[key]
	}
	values := h.caller()[key]
	for k, v := range w.added {
		if k == key {
			values = append(slices.Clip(values), v)
		}
	}
	return values
}

// Set replaces the values of key.
func (h *outgoing) Set(key, value string) {
	key = lower(key)
	w := &h.writes
	switch {
	case w.replaces() || len(h.caller()[key]) > 0:
		h.edit()[key] = []string{value}
	case !w.replaceAdded(key, value):
		w.add(key, value)
	}
}

// Add appends a value to key.
func (h *outgoing) Add(key, value string) {
	key = lower(key)
	if !h.writes.replaces() {
		h.writes.add(key, value)
		return
	}
	md := h.edit()
	md[key] = append(slices.Clip(md[key]), value)
}

// Del removes key.
func (h *outgoing) Del(key string) {
	key = lower(key)
	if len(h.Values(key)) > 0 {
		delete(h.edit(), key)
	}
}

// edit is the metadata as a map that may be written: the slow way.
func (h *outgoing) edit() metadata.MD {
	base := h.caller()
	w := &h.writes
	m := w.more()
	switch {
	case m.edited == nil:
		edited := base.Copy()
		for k, v := range w.added {
			edited[k] = append(edited[k], v)
		}
		m.edited = edited
		w.n, m.spill = 0, nil
	case m.frozen:
		m.edited = m.edited.Copy()
	}
	m.frozen = false
	return m.edited
}

// all is a copy of the metadata as it stands.
func (h *outgoing) all() metadata.MD {
	w := &h.writes
	if w.replaces() {
		return w.slow.edited.Copy()
	}
	md := h.caller().Copy()
	for k, v := range w.added {
		md[k] = append(md[k], v)
	}
	return md
}

// send is ctx with the call's metadata, for one attempt.
func (h *outgoing) send(ctx context.Context) context.Context {
	w := &h.writes
	switch {
	case w.replaces():
		w.slow.frozen = true
		return metadata.NewOutgoingContext(ctx, w.slow.edited)
	case w.slow != nil && w.slow.spill != nil:
		return metadata.AppendToOutgoingContext(ctx, slices.Concat(w.inline[:w.n], w.slow.spill)...)
	case w.n > 0:
		return metadata.AppendToOutgoingContext(ctx, w.inline[:w.n]...)
	}
	return ctx
}

// replaces reports whether the metadata goes the slow way.
func (w *writes) replaces() bool { return w.slow != nil && w.slow.edited != nil }

func (w *writes) more() *slowWrites {
	if w.slow == nil {
		w.slow = &slowWrites{}
	}
	return w.slow
}

// fork copies the writes for an attempt that runs beside this one.
func (w *writes) fork() writes {
	out := *w
	if w.slow == nil {
		return out
	}
	slow := *w.slow
	slow.spill = slices.Clone(slow.spill)
	if slow.edited != nil {
		slow.edited = slow.edited.Copy()
	}
	slow.frozen = false
	out.slow = &slow
	return out
}

// added ranges over the keys that were added.
func (w *writes) added(yield func(key, value string) bool) {
	for i := 0; i < int(w.n); i += 2 {
		if !yield(w.inline[i], w.inline[i+1]) {
			return
		}
	}
	if w.slow == nil {
		return
	}
	for i := 0; i < len(w.slow.spill); i += 2 {
		if !yield(w.slow.spill[i], w.slow.spill[i+1]) {
			return
		}
	}
}

func (w *writes) add(key, value string) {
	if int(w.n) < len(w.inline) {
		w.inline[w.n], w.inline[w.n+1] = key, value
		w.n += 2
		return
	}
	m := w.more()
	m.spill = append(m.spill, key, value)
}

// replaceAdded leaves one value of a key that was added, and reports whether it was.
func (w *writes) replaceAdded(key, value string) bool {
	found := false
	for i := 0; i < int(w.n); i += 2 {
		if w.inline[i] == key {
			w.inline[i+1], found = value, true
		}
	}
	if w.slow == nil {
		return found
	}
	spill := w.slow.spill
	for i := 0; i < len(spill); {
		switch {
		case spill[i] != key:
			i += 2
		case found:
			spill = slices.Delete(spill, i, i+2)
		default:
			spill[i+1], found = value, true
			i += 2
		}
	}
	w.slow.spill = spill
	return found
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// lower is a metadata key as gRPC writes it; no copy when it is so already, nor of
// the trace context's keys, which every call has, in the form that HTTP gives them.
func lower(key string) string {
	switch key {
	case "Traceparent":
		return "traceparent"
	case "Tracestate":
		return "tracestate"
	}
	return strings.ToLower(key)
}
