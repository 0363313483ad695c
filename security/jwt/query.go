// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"net/url"
	"strings"
)

// eachParam calls f for each parameter of a query, with its text as it was written, in the way that
// url.ParseQuery reads it: what that leaves out is left out.
func eachParam(query string, f func(name, value, text string)) {
	for query != "" {
		var text string
		text, query, _ = strings.Cut(query, "&")
		if name, value, ok := readParam(text); ok {
			f(name, value, text)
		}
	}
}

func readParam(text string) (name, value string, ok bool) {
	if text == "" || strings.Contains(text, ";") {
		return "", "", false
	}
	name, value, _ = strings.Cut(text, "=")
	name, err := url.QueryUnescape(name)
	if err != nil {
		return "", "", false
	}
	value, err = url.QueryUnescape(value)
	return name, value, err == nil
}

// withoutParam is a query without the parameters of a name; the others stay as they were written.
func withoutParam(query, name string) string {
	kept := make([]string, 0, strings.Count(query, "&")+1)
	for text := range strings.SplitSeq(query, "&") {
		if n, _, ok := readParam(text); !ok || n != name {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "&")
}

// eachCookie calls f for each cookie of a Cookie header (RFC 6265, 4.2.1), with its text.
func eachCookie(line string, f func(name, value, text string)) {
	for part := range strings.SplitSeq(line, ";") {
		if name, value, ok := readCookie(part); ok {
			f(name, value, part)
		}
	}
}

func readCookie(text string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(strings.Trim(text, " \t"), "=")
	value = strings.Trim(value, " \t")
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return strings.Trim(name, " \t"), value, ok
}

// withoutCookie is a Cookie header without the cookies of a name.
func withoutCookie(line, name string) string {
	kept := make([]string, 0, strings.Count(line, ";")+1)
	for part := range strings.SplitSeq(line, ";") {
		if n, _, ok := readCookie(part); !ok || n != name {
			kept = append(kept, part)
		}
	}
	return strings.TrimLeft(strings.Join(kept, ";"), " ")
}
