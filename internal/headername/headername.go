// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package headername chooses headers by their names, as Istio's external authorizers list
// them: "x-user", "x-auth-*", "*-token".
package headername

import (
	"fmt"
	"strings"
)

// List is names and patterns of names. The zero List matches none.
type List struct {
	exact    []string // lower case
	prefixes []string
	suffixes []string
}

// Parse reads a list: a name, a prefix with "*" behind it, or a suffix with "*" before it,
// without regard to case. "*" is every name. Anything else that no header can have is an
// error.
func Parse(values []string) (List, error) {
	var l List
	for _, v := range values {
		text := strings.ToLower(v)
		prefix, isPrefix := strings.CutSuffix(text, "*")
		suffix, isSuffix := strings.CutPrefix(text, "*")
		switch {
		case text == "*":
			l.prefixes = append(l.prefixes, "")
		case isPrefix && Valid(prefix):
			l.prefixes = append(l.prefixes, prefix)
		case isSuffix && Valid(suffix):
			l.suffixes = append(l.suffixes, suffix)
		case !isPrefix && !isSuffix && Valid(text):
			l.exact = append(l.exact, text)
		default:
			return List{}, fmt.Errorf("%q is not the name of a header, nor a prefix with * behind or a suffix with * before it", v)
		}
	}
	return l, nil
}

// Empty reports whether no name matches.
func (l List) Empty() bool { return len(l.exact)+len(l.prefixes)+len(l.suffixes) == 0 }

// Exact are the names without a "*", in lower case. They are not to be written.
func (l List) Exact() []string { return l.exact }

// Patterns reports whether there are names with a "*".
func (l List) Patterns() bool { return len(l.prefixes)+len(l.suffixes) > 0 }

// Has reports whether the list names a header, in any case.
func (l List) Has(name string) bool {
	name = strings.ToLower(name)
	for _, e := range l.exact {
		if e == name {
			return true
		}
	}
	for _, p := range l.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	for _, s := range l.suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// Valid reports whether a header can have the name: RFC 9110's token, in which "*" is left
// out, since it means something here.
func Valid(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}*", c) >= 0 {
			return false
		}
	}
	return name != ""
}

// ValidValue reports whether a header can have the value: no control characters but the
// tab.
func ValidValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// OfMessage reports whether a header belongs to one message and its connection, and is
// never copied to another: its length, its framing, its host.
func OfMessage(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
		"content-length", "host", "expect":
		return true
	}
	return false
}
