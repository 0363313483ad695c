// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"net/textproto"
	"strings"
	"sync"

	"github.com/enmesh-go/enmesh"
)

// spelling is a header's name as each protocol spells it. Names are compared in any
// case by both, but the wrong case costs them an allocation.
type spelling struct{ canonical, lower string }

func spell(name string) spelling {
	return spelling{textproto.CanonicalMIMEHeaderKey(name), strings.ToLower(name)}
}

func (s *spelling) of(c *enmesh.Call) string {
	if c.Protocol == enmesh.GRPC {
		return s.lower
	}
	return s.canonical
}

// headerMatch is a condition on a header.
type headerMatch struct {
	name spelling
	want StringMatch
}

func newHeaderMatch(name string, want StringMatch) headerMatch {
	return headerMatch{spell(name), want}
}

// values are the header's values in c.
func (h *headerMatch) values(c *enmesh.Call) []string {
	if c.Header == nil {
		return nil
	}
	return c.Header.Values(h.name.of(c))
}

// matches compares the values, joined.
func (h *headerMatch) matches(values []string) bool {
	if len(values) == 1 || h.want.Kind == KindPresent {
		return h.want.matches(values[0])
	}
	buf := buffers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	defer buffers.Put(buf)
	b := (*buf)[:0]
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	*buf = b
	return h.want.matchesBytes(b)
}

func allHeaders(hs []headerMatch, c *enmesh.Call) bool {
	for i := range hs {
		if values := hs[i].values(c); len(values) == 0 || !hs[i].matches(values) {
			return false
		}
	}
	return true
}

func noHeaders(hs []headerMatch, c *enmesh.Call) bool {
	for i := range hs {
		values := hs[i].values(c)
		if len(values) == 0 {
			if hs[i].want.Kind != KindPresent && hs[i].want.matches("") {
				return false
			}
		} else if hs[i].matches(values) {
			return false
		}
	}
	return true
}

// buffers hold values that have to be put together before they can be compared.
var buffers = sync.Pool{New: func() any { return new([]byte) }}
