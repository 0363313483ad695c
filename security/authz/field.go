// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"net/textproto"
	"slices"
	"strings"
)

// maxElements bounds how many elements of a header's list are looked at. What has more is
// no list that a policy could mean: it is an error in the call.
const maxElements = 256

// field is a condition on a header of the request.
type field struct {
	name     string // in lower case, as gRPC has it
	title    string // as net/http has it
	single   bool   // a comma in it separates nothing
	patterns *set
	commas   bool // a pattern has a comma
}

// singles are fields that are no lists, and have commas in them all the same.
//
// Source: RFC 9110, 5.5 and the fields' own definitions.
var singles = map[string]bool{
	"authorization": true, "content-disposition": true, "content-type": true, "cookie": true, "date": true, "expires": true,
	"from": true, "if-modified-since": true, "if-range": true, "if-unmodified-since": true, "last-modified": true,
	"location": true, "origin": true, "proxy-authorization": true, "referer": true, "retry-after": true, "server": true,
	"sec-ch-ua": true, "user-agent": true,
}

func newField(name string, patterns *set) *field {
	commas := slices.ContainsFunc(patterns.list, func(p pattern) bool { return strings.Contains(p.text, ",") })
	return &field{name: name, title: textproto.CanonicalMIMEHeaderKey(name), single: singles[name], patterns: patterns, commas: commas}
}

// match reports whether the values of the field match. A field can be said in several
// lines, and one line can hold a list, and who reads it later may look at any of these. So,
// lean: one match suffices, of a line, an element or of all lines joined. Not lean: every
// line must match, whole by an exact value that is written so, or else in every element.
func (f *field) match(lines []string, lean bool) bool {
	if len(lines) == 0 {
		return false
	}
	if lean {
		return f.anyMatches(lines)
	}
	left := maxElements
	for _, line := range lines {
		if !f.allOf(line, &left) {
			return false
		}
	}
	return true
}

func (f *field) anyMatches(lines []string) bool {
	left := maxElements
	for _, line := range lines {
		if f.anyOf(line, &left) {
			return true
		}
	}
	return len(lines) > 1 && f.commas && f.patterns.match(strings.Join(lines, ","))
}

// anyOf reports whether a line matches in any way that it can be read, and whether it
// cannot be read.
func (f *field) anyOf(line string, left *int) bool {
	whole := trim(line)
	if whole == "" && f.patterns.present || hasNUL(line) || f.patterns.match(whole) {
		return true
	}
	for rest, more := whole, strings.Contains(whole, ","); more; {
		var element string
		element, rest, more = strings.Cut(rest, ",")
		*left--
		if *left < 0 || f.patterns.match(trim(element)) {
			return true
		}
	}
	return false
}

// allOf reports whether a line matches in every way that it can be read.
func (f *field) allOf(line string, left *int) bool {
	whole := trim(line)
	if hasNUL(line) {
		return false
	}
	*left--
	if *left < 0 {
		return false
	}
	if f.patterns.names(whole) || f.single {
		return f.patterns.match(whole)
	}
	for rest, more := whole, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, ",")
		*left--
		if *left < 0 || !f.patterns.match(trim(element)) {
			return false
		}
	}
	return true
}

// hasNUL reports whether s has a NUL, at which another reader might end it.
func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// elements appends what a field's values can be looked up by: every line and every element
// of one. It reports false when they are too many, or cannot be read.
func (f *field) elements(lines, out []string) ([]string, bool) {
	for _, line := range lines {
		whole := trim(line)
		out = append(out, whole)
		for rest, more := whole, strings.Contains(whole, ","); more; {
			var element string
			element, rest, more = strings.Cut(rest, ",")
			if len(out) > maxElements {
				return out, false
			}
			out = append(out, trim(element))
		}
		if hasNUL(line) {
			return out, false
		}
	}
	return out, len(out) <= maxElements
}

// fieldName is the name of a header as it is compared, or "" for what is none.
func fieldName(name string) string {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return ""
		}
	}
	return lower(name)
}
