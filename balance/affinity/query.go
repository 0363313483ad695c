// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"net/url"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Query takes the key from the first query parameter of a name: Istio's
// httpQueryParameterName. The name's case matters. The value is decoded first, so that
// "a%20b" and "a+b" are the same (Envoy hashes what was written); an empty value is a
// value. gRPC calls have no query and get no key.
func Query(name string) enmesh.Middleware {
	return keyed(func(c *enmesh.Call) uint64 {
		value, ok := parameter(c.Query, name)
		if !ok {
			return 0
		}
		return KeyOf(value)
	})
}

// parameter is the first value of name in a raw query. What cannot be decoded is taken
// as it is.
func parameter(query, name string) (value string, ok bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if decoded(key) == name {
			return decoded(value), true
		}
	}
	return "", false
}

// decoded costs an allocation only where something is encoded.
func decoded(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}
