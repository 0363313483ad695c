// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Matcher is a condition on a value. Of the kinds at most one is set; with none, it holds
// when the value is there. See also [Regex].
type Matcher struct {
	Name                            string // of the header or parameter; must be set
	Exact, Prefix, Suffix, Contains string
	regex                           *regexp.Regexp // of the whole value
	Invert                          bool           // it holds when it would not
}

// Regex is the condition that an RE2 expression matches the whole value, or the
// expression's error.
func Regex(name, expression string) (Matcher, error) {
	r, err := regexp.Compile(`\A(?:` + expression + `)\z`)
	if err != nil {
		return Matcher{}, fmt.Errorf("rls: %w", err)
	}
	if _, err := regexp.Compile(expression); err != nil { // it closes what it did not open
		return Matcher{}, fmt.Errorf("rls: %w", err)
	}
	return Matcher{Name: name, regex: r}, nil
}

func (m Matcher) check() error {
	set := 0
	for _, text := range []string{m.Exact, m.Prefix, m.Suffix, m.Contains} {
		if text != "" {
			set++
		}
	}
	if m.regex != nil {
		set++
	}
	switch {
	case m.Name == "":
		return errors.New("Matcher: Name is not set")
	case set > 1:
		return errors.New("Matcher: " + m.Name + ": more than one kind is set")
	}
	return nil
}

// holds reports whether the condition holds of a value that is there or not. What is not
// there fails every condition, and so an inverted one holds of it.
func (m Matcher) holds(value string, there bool) bool {
	return (there && m.fits(value)) != m.Invert
}

func (m Matcher) fits(value string) bool {
	switch {
	case m.Exact != "":
		return value == m.Exact
	case m.Prefix != "":
		return strings.HasPrefix(value, m.Prefix)
	case m.Suffix != "":
		return strings.HasSuffix(value, m.Suffix)
	case m.Contains != "":
		return strings.Contains(value, m.Contains)
	case m.regex != nil:
		return m.regex.MatchString(value)
	}
	return true
}

// HeaderValueMatch is a constant for calls whose headers fulfil all conditions
// (header_value_match).
type HeaderValueMatch struct {
	Key     string // "" is "header_match"
	Value   string // must be set
	Unless  bool   // for calls that do not fulfil them all (expect_match: false)
	Headers []Matcher
}

// Entry is the constant.
func (a HeaderValueMatch) Entry(c *enmesh.Call) (Entry, Effect) {
	ok := true
	for _, m := range a.Headers {
		value, there := headerOf(c, m.Name)
		ok = ok && m.holds(value, there)
	}
	return Entry{named(a.Key, "header_match"), a.Value}, present(ok != a.Unless, false)
}

func (a HeaderValueMatch) check() error { return checkMatch("HeaderValueMatch", a.Value, a.Headers) }

// QueryParameterValueMatch is a constant for calls whose query parameters fulfil all
// conditions (query_parameter_value_match).
type QueryParameterValueMatch struct {
	Key        string // "" is "query_match"
	Value      string // must be set
	Unless     bool   // for calls that do not fulfil them all (expect_match: false)
	Parameters []Matcher
}

// Entry is the constant.
func (a QueryParameterValueMatch) Entry(c *enmesh.Call) (Entry, Effect) {
	ok := true
	for _, m := range a.Parameters {
		value, there := queryOf(c, m.Name)
		ok = ok && m.holds(value, there)
	}
	return Entry{named(a.Key, "query_match"), a.Value}, present(ok != a.Unless, false)
}

func (a QueryParameterValueMatch) check() error {
	return checkMatch("QueryParameterValueMatch", a.Value, a.Parameters)
}

func checkMatch(name, value string, matchers []Matcher) error {
	if value == "" || len(matchers) == 0 {
		return errors.New(name + ": Value is not set, or there are no conditions")
	}
	for _, m := range matchers {
		if err := m.check(); err != nil {
			return err
		}
	}
	return nil
}

// headerOf is the first value of a header, or a pseudo header.
func headerOf(c *enmesh.Call, name string) (string, bool) {
	switch name {
	case ":method":
		return c.Method, c.Method != ""
	case ":authority":
		return c.Authority, c.Authority != ""
	case ":scheme":
		return c.Scheme, c.Scheme != ""
	case ":path":
		if c.Query != "" {
			return c.Path + "?" + c.Query, true
		}
		return c.Path, c.Path != ""
	}
	if c.Header == nil {
		return "", false
	}
	values := c.Header.Values(name)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// queryOf is the first value of a query parameter. What cannot be read of a query is left
// out.
func queryOf(c *enmesh.Call, name string) (string, bool) {
	for part := range strings.SplitSeq(c.Query, "&") {
		key, value, _ := strings.Cut(part, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			return value, true
		}
	}
	return "", false
}
