// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import "strings"

// queryMatch is a condition on a parameter of the query.
type queryMatch struct {
	name string
	want StringMatch
}

func allParams(qs []queryMatch, query string) bool {
	for i := range qs {
		if !qs[i].matches(query) {
			return false
		}
	}
	return true
}

// matches compares the first value of the parameter. What a query means is what
// net/url's ParseQuery says: pairs with a semicolon or a broken escape are not there.
func (q *queryMatch) matches(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" || strings.IndexByte(pair, ';') >= 0 {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if !isEscaped(pair) {
			if key == q.name {
				return q.want.matches(value)
			}
			continue
		}
		if found, matches := q.unescaped(key, value); found {
			return matches
		}
	}
	return false
}

func isEscaped(s string) bool {
	return strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0
}

// unescaped compares a pair that has escapes in it.
func (q *queryMatch) unescaped(key, value string) (found, matches bool) {
	buf := buffers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	defer buffers.Put(buf)
	b, ok := unescape((*buf)[:0], key)
	*buf = b
	if !ok || string(b) != q.name {
		return false, false
	}
	b, ok = unescape(b[:0], value)
	*buf = b
	return ok, ok && q.want.matchesBytes(b)
}

// unescape appends s without its escapes; false: one is broken.
func unescape(b []byte, s string) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) {
				return b, false
			}
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi < 0 || lo < 0 {
				return b, false
			}
			b = append(b, byte(hi<<4|lo))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return b, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case lower(c) >= 'a' && lower(c) <= 'f':
		return int(lower(c)-'a') + 10
	}
	return -1
}
