// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package urlpath

import (
	"bytes"
	"strings"
)

// resolve removes dot segments as RFC 3986, section 5.2.4, has it, in place. b begins with
// a slash.
func (d *decoder) resolve(b []byte) ([]byte, Reason) {
	out := b[:0]
	for at := 0; at < len(b); {
		end := at + 1
		for end < len(b) && b[end] != '/' {
			end++
		}
		segment, last := b[at+1:end], end == len(b)
		at = end
		switch {
		case string(segment) == ".":
		case string(segment) == "..":
			cut := bytes.LastIndexByte(out, '/')
			if cut >= 0 && cut == len(out)-1 && d.rules.Level == Strict {
				return nil, Dots
			}
			out = out[:max(cut, 0)]
		case d.hides(segment):
			return nil, Dots
		default:
			out = append(append(out, '/'), segment...)
			continue
		}
		if last {
			out = append(out, '/')
		}
	}
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out, OK
}

// hides reports whether a segment is more than one, or a dot segment, for a reader who
// decodes escaped slashes or takes parameters off.
func (d *decoder) hides(segment []byte) bool {
	if !d.kept && bytes.IndexByte(segment, ';') < 0 {
		return false
	}
	split := bytes.IndexByte(segment, escapedSlash) >= 0
	for more := true; more; {
		part := segment
		if at := bytes.IndexByte(segment, escapedSlash); at >= 0 {
			part, segment = segment[:at], segment[at+1:]
		} else {
			more = false
		}
		if at := bytes.IndexByte(part, ';'); at >= 0 {
			part = part[:at]
		}
		if string(part) == "." || string(part) == ".." || split && len(part) == 0 {
			return true
		}
	}
	return false
}

// merge makes one slash of those that follow each other, in place.
func merge(b []byte) []byte {
	out := b[:0]
	for i, c := range b {
		if c != '/' || i == 0 || b[i-1] != '/' {
			out = append(out, c)
		}
	}
	return out
}

// unescaped are the bytes that RFC 3986 allows in a path and that net/url escapes all the
// same when nobody says how a path is written.
const unescaped = "!'()*"

// literal says which bytes of a path are written as they are: RFC 3986's pchar, and the
// slash.
var literal = func() (t [256]bool) {
	for c := range t {
		b := byte(c)
		t[c] = 'a' <= b|0x20 && b|0x20 <= 'z' || '0' <= b && b <= '9' || strings.IndexByte("-._~$&+,;=:@/"+unescaped, b) >= 0
	}
	return t
}()

const digits = "0123456789ABCDEF"

// escape appends the way to write b.
func escape(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case literal[c]:
			dst = append(dst, c)
		case c == escapedSlash:
			dst = append(dst, "%2F"...)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// Behind is what stands in text behind path, when text begins with path as it is written
// the plain way, as url.URL.EscapedPath does it where RawPath is "".
func Behind(path, text string) (rest string, ok bool) {
	for i := range len(path) {
		switch c := path[i]; {
		case text == "":
			return "", false
		case literal[c] && strings.IndexByte(unescaped, c) < 0:
			if text[0] != c {
				return "", false
			}
			text = text[1:]
		case len(text) < 3 || text[0] != '%' || text[1] != digits[c>>4] || text[2] != digits[c&15]:
			return "", false
		default:
			text = text[3:]
		}
	}
	return text, true
}
