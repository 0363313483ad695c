// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"slices"
	"strings"
)

// form is the shape of a value in a policy.
type form uint8

const (
	exact   form = iota
	prefix       // "text*"
	suffix       // "*text"
	present      // "*": anything but ""
)

// pattern is a value of a policy, taken apart.
type pattern struct {
	form form
	text string // without the "*"
}

var (
	errEmpty    = errors.New("is empty: leave it out, or write \"*\" for anything that is not empty")
	errWildcard = errors.New("has a \"*\" that is neither its beginning nor its end, or both: write one at one end, or the whole value")
	errControl  = errors.New("has a control character")
)

// parsePattern reads exact, "prefix*", "*suffix" and "*". There is no other wildcard, and
// no regular expression: a dot is a dot.
func parsePattern(value string) (pattern, error) {
	p := pattern{exact, value}
	switch {
	case value == "":
		return p, errEmpty
	case value == "*":
		p = pattern{form: present}
	case strings.HasSuffix(value, "*"):
		p = pattern{prefix, value[:len(value)-1]}
	case value[0] == '*':
		p = pattern{suffix, value[1:]}
	}
	switch {
	case strings.Contains(p.text, "*"):
		return p, errWildcard
	case hasControl(p.text):
		return p, errControl
	}
	return p, nil
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// few is how many exact values are rather compared one by one.
const few = 8

// set is a list of patterns, of which any may match.
type set struct {
	values   []string            // exact ones, while they are few
	exact    map[string]struct{} // exact ones, when they are many
	prefixes affixes[struct{}]
	suffixes affixes[struct{}]
	present  bool
	list     []pattern
}

// newSet compiles values, each by parse.
func newSet(values []string, parse func(string) (pattern, error)) (*set, error) {
	s := &set{}
	for i, value := range values {
		p, err := parse(value)
		if err != nil {
			return nil, bad(i, value, err)
		}
		s.add(p)
	}
	s.seal()
	return s, nil
}

func (s *set) add(p pattern) {
	s.list = append(s.list, p)
	switch p.form {
	case exact:
		s.values = append(s.values, p.text)
	case prefix:
		s.prefixes.add(p.text, struct{}{})
	case suffix:
		s.suffixes.add(p.text, struct{}{})
	case present:
		s.present = true
	}
}

func (s *set) seal() {
	s.prefixes.seal()
	s.suffixes.seal()
	if len(s.values) <= few {
		return
	}
	s.exact = make(map[string]struct{}, len(s.values))
	for _, v := range s.values {
		s.exact[v] = struct{}{}
	}
	s.values = nil
}

// match reports whether a pattern matches v. Nothing matches "".
func (s *set) match(v string) bool {
	return v != "" && (s.present || s.names(v) || s.prefixes.heads(v) || s.suffixes.tails(v))
}

// names reports whether v is one of the exact values.
func (s *set) names(v string) bool {
	if s.exact != nil {
		_, ok := s.exact[v]
		return ok
	}
	return slices.Contains(s.values, v)
}

// affixes are beginnings, or ends, each with what belongs to it: one look-up for each
// length that occurs.
type affixes[T any] struct {
	lengths []int // ascending
	of      map[string]T
}

func (a *affixes[T]) add(text string, value T) {
	if a.of == nil {
		a.of = map[string]T{}
	}
	a.of[text] = value
	a.lengths = append(a.lengths, len(text))
}

func (a *affixes[T]) seal() {
	slices.Sort(a.lengths)
	a.lengths = slices.Compact(a.lengths)
}

// heads reports whether v begins with one of them.
func (a *affixes[T]) heads(v string) bool {
	for _, n := range a.lengths {
		if n > len(v) {
			return false
		}
		if _, ok := a.of[v[:n]]; ok {
			return true
		}
	}
	return false
}

// tails reports whether v ends with one of them.
func (a *affixes[T]) tails(v string) bool {
	for _, n := range a.lengths {
		if n > len(v) {
			return false
		}
		if _, ok := a.of[v[len(v)-n:]]; ok {
			return true
		}
	}
	return false
}

// glob reports whether v matches a pattern with "*" anywhere, each for any text.
func glob(pattern, v string) bool {
	star, from, i := -1, 0, 0 // the last "*" of the pattern, and where in v it was tried
	p := 0
	for i < len(v) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && pattern[p] == v[i]:
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// lower is s with the letters of ASCII in lower case, and no others: what Unicode folds
// to an ASCII letter stays what it is.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return mapped(s, 'A', 'Z', 'a'-'A')
		}
	}
	return s
}

// upper is s with the letters of ASCII in upper case.
func upper(s string) string {
	for i := range len(s) {
		if 'a' <= s[i] && s[i] <= 'z' {
			return mapped(s, 'a', 'z', 'A'-'a'+256)
		}
	}
	return s
}

func mapped(s string, first, last byte, shift int) string {
	b := []byte(s)
	for i, c := range b {
		if first <= c && c <= last {
			b[i] = byte(int(c) + shift)
		}
	}
	return string(b)
}
