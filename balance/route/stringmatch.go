// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"fmt"
	"regexp"
)

// Kind is how a StringMatch compares.
type Kind uint8

// The kinds.
const (
	KindPresent Kind = iota // there is a value, whatever it is
	KindExact
	KindPrefix // of characters: "/a" is a prefix of "/ab"
	KindRegex  // RE2, of the whole value
)

// maxRegex is the longest regular expression, in bytes, as in Istio.
const maxRegex = 1024

// StringMatch is a condition on a string. The zero StringMatch asks for presence. It
// is made by [Exact], [Prefix], [Regex] and [Present] and takes effect in a compiled
// [Match].
type StringMatch struct {
	Kind       Kind
	Value      string
	IgnoreCase bool // of ASCII letters; exact and prefix only

	re *regexp.Regexp // of a compiled KindRegex
}

// Exact is the condition that the string is value.
func Exact(value string) StringMatch { return StringMatch{Kind: KindExact, Value: value} }

// Prefix is the condition that the string begins with value.
func Prefix(value string) StringMatch { return StringMatch{Kind: KindPrefix, Value: value} }

// Regex is the condition that an RE2 expression of at most 1024 bytes matches the
// whole string.
func Regex(expression string) StringMatch { return StringMatch{Kind: KindRegex, Value: expression} }

// Present is the condition that there is a string.
func Present() StringMatch { return StringMatch{} }

// compile checks the condition and builds its expression.
func (m *StringMatch) compile() error {
	switch m.Kind {
	case KindPresent, KindExact, KindPrefix:
		return nil
	case KindRegex:
	default:
		return fmt.Errorf("kind %d is not known", m.Kind)
	}
	if m.IgnoreCase {
		return errors.New("a regular expression says (?i) itself: IgnoreCase is for exact and prefix")
	}
	if len(m.Value) > maxRegex {
		return fmt.Errorf("the regular expression has %d bytes, at most %d are allowed", len(m.Value), maxRegex)
	}
	// By itself first: "a)|(b" would be fine inside the group and mean something else.
	if _, err := regexp.Compile(m.Value); err != nil {
		return err
	}
	re, err := regexp.Compile(`\A(?:` + m.Value + `)\z`)
	m.re = re
	return err
}

// matches compares a value that is there.
func (m *StringMatch) matches(s string) bool {
	if m.Kind == KindRegex {
		return m.re != nil && m.re.MatchString(s)
	}
	return compare(m, s)
}

// matchesBytes is matches for a value put together in a buffer.
func (m *StringMatch) matchesBytes(b []byte) bool {
	if m.Kind == KindRegex {
		return m.re != nil && m.re.Match(b)
	}
	return compare(m, b)
}

// compare is for all kinds but KindRegex.
func compare[T string | []byte](m *StringMatch, s T) bool {
	switch m.Kind {
	case KindExact:
		return len(s) == len(m.Value) && begins(s, m.Value, m.IgnoreCase)
	case KindPrefix:
		return len(s) >= len(m.Value) && begins(s, m.Value, m.IgnoreCase)
	}
	return m.Kind == KindPresent
}

// begins reports whether s, which is long enough, begins with prefix.
func begins[T string | []byte](s T, prefix string, fold bool) bool {
	if !fold {
		return string(s[:len(prefix)]) == prefix
	}
	for i := range len(prefix) {
		if lower(s[i]) != lower(prefix[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
