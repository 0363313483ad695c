// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import "github.com/enmesh-go/enmesh"

// strip takes what is at the place out of what the handler sees.
func (p *place) strip(c *enmesh.Call) {
	switch p.where {
	case inHeader:
		replace(c.Header, p.name, func(v string) (string, bool) { return v, !p.concerns(v) })
	case inParam:
		c.Query = withoutParam(c.Query, p.name)
	case inCookie:
		replace(c.Header, "Cookie", func(line string) (string, bool) {
			line = withoutCookie(line, p.name)
			return line, line != ""
		})
	}
}

// replace edits each value of a header; those for which edit says false go.
func replace(h enmesh.Header, name string, edit func(string) (string, bool)) {
	var kept []string
	for _, v := range h.Values(name) {
		if v, ok := edit(v); ok {
			kept = append(kept, v)
		}
	}
	h.Del(name)
	for _, v := range kept {
		h.Add(name, v)
	}
}
