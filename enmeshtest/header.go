// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"iter"
	"maps"
	"net/textproto"
	"slices"
)

// Header is an [github.com/enmesh-go/enmesh.Header] in memory.
type Header map[string][]string

// Get is the first value of key.
func (h Header) Get(key string) string { return textproto.MIMEHeader(h).Get(key) }

// Values is all values of key.
func (h Header) Values(key string) []string { return textproto.MIMEHeader(h).Values(key) }

// Keys lists the keys.
func (h Header) Keys() iter.Seq[string] { return maps.Keys(h) }

// Set replaces the values of key.
func (h Header) Set(key, value string) { textproto.MIMEHeader(h).Set(key, value) }

// Add appends a value to key.
func (h Header) Add(key, value string) {
	textproto.MIMEHeader(h)[textproto.CanonicalMIMEHeaderKey(key)] = append(slices.Clone(h.Values(key)), value)
}

// Del removes key.
func (h Header) Del(key string) { textproto.MIMEHeader(h).Del(key) }
