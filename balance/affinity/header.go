// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Header takes the key from a request header, or in gRPC from metadata: Istio's
// httpHeaderName. The name's case does not matter. A header with several values has one
// key for all of them, whatever their order; an empty value is a value. As in Envoy,
// ":authority" and "host" are the call's authority, ":method" and ":path" its method and
// path, the path without its query.
func Header(name string) enmesh.Middleware {
	switch strings.ToLower(name) {
	case ":authority", "host":
		return keyed(func(c *enmesh.Call) uint64 { return present(c.Authority) })
	case ":method":
		return keyed(func(c *enmesh.Call) uint64 { return present(c.Method) })
	case ":path":
		return keyed(func(c *enmesh.Call) uint64 { return present(c.Path) })
	}
	return keyed(func(c *enmesh.Call) uint64 {
		if c.Header == nil {
			return 0
		}
		return ofValues(c.Header.Values(name))
	})
}

// present is the key of a value that is not empty.
func present(value string) uint64 {
	if value == "" {
		return 0
	}
	return KeyOf(value)
}

// ofValues is the key of one value, or of several in any order.
func ofValues(values []string) uint64 {
	switch len(values) {
	case 0:
		return 0
	case 1:
		return KeyOf(values[0])
	}
	var sum uint64
	for _, v := range values {
		sum += KeyOf(v)
	}
	return notZero(sum)
}
