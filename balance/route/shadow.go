// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import "github.com/enmesh-go/enmesh"

// shadowed is the authority of a mirrored call, as Envoy has it: "reviews:9080"
// becomes "reviews-shadow:9080".
func shadowed(authority string) string {
	name, port := splitHost(authority)
	if port != "" {
		port = ":" + port
	}
	return name + "-shadow" + port
}

// The headers that say whether a trace is sampled.
var (
	traceParent = spell("traceparent")  // W3C: version, trace, span and flags, of which 1 is "sampled"
	b3Sampled   = spell("x-b3-sampled") // Zipkin's, of several
	b3Single    = spell("b3")           // Zipkin's, of one: trace, span, "1" and perhaps the parent
)

// unsample marks a call as one that no trace is made of.
func unsample(c *enmesh.Call) {
	if c.Header == nil {
		return
	}
	replace := func(name spelling, at int) {
		key := name.of(c)
		if v := c.Header.Get(key); len(v) > at {
			c.Header.Set(key, v[:at]+"0"+v[at+1:])
		}
	}
	replace(traceParent, len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-0"))
	replace(b3Sampled, 0)
	replace(b3Single, b3Flag(c.Header.Get(b3Single.of(c))))
}

// b3Flag is where the sampling state stands in a b3 header: after the second "-", or
// alone.
func b3Flag(v string) int {
	if len(v) <= 1 {
		return 0
	}
	dashes := 0
	for i := range len(v) {
		if v[i] == '-' {
			dashes++
			if dashes == 2 {
				return i + 1
			}
		}
	}
	return len(v)
}
