// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "iter"

// AttemptHeader tells the far side which attempt of a call it sees, from the second on:
// "2" is the first retry or hedge. The name is Envoy's. Adapters write it.
const AttemptHeader = "X-Envoy-Attempt-Count"

// Header is request or answer metadata. Keys are case-insensitive. A write never
// reaches the caller's own map, nor an attempt already sent.
type Header interface {
	// Get is the first value of key, or "".
	Get(key string) string
	// Values is all values of key. The slice is not to be written.
	Values(key string) []string
	// Set replaces the values of key.
	Set(key, value string)
	// Add appends a value to key.
	Add(key, value string)
	// Del removes key.
	Del(key string)
}

// Keyed is what a [Header] is as well that can list what is in it: those of requests, on a
// server. The spelling of a key is the adapter's own.
type Keyed interface {
	Keys() iter.Seq[string]
}

// KeysOf ranges over the keys of h; over none where h cannot list them.
func KeysOf(h Header) iter.Seq[string] {
	if k, ok := h.(Keyed); ok {
		return k.Keys()
	}
	return func(func(string) bool) {}
}
