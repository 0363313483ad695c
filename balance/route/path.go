// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// pathEdit makes another path of a call's.
type pathEdit func(path string) string

// matched is what a condition on the path took of it: its first n bytes, or all.
// Without a condition on the path that is the prefix "/", as in Istio.
func (m *Match) matched() (n int, whole bool) {
	if m == nil || m.URI == nil {
		return 1, false
	}
	switch m.URI.Kind {
	case KindPrefix:
		return len(m.URI.Value), false
	case KindPresent:
		return 1, false
	}
	return 0, true
}

// replacing puts uri in the place of what m matched.
func replacing(m *Match, uri string) pathEdit {
	n, whole := m.matched()
	if whole {
		to := rooted(uri)
		return func(string) string { return to }
	}
	return func(path string) string { return rooted(uri + path[min(n, len(path)):]) }
}

// unescapedPath is a path as policy writes it, decoded; one with a broken escape is
// meant as it stands.
func unescapedPath(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// rooted is a path that begins with a slash: anything else cannot be sent.
func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}

// substituting replaces every match of an RE2 expression; in the substitution, \0 is
// the match, \1 to \9 are its groups and \\ is a backslash.
func substituting(expression, substitution string) (pathEdit, error) {
	if len(expression) > maxRegex {
		return nil, fmt.Errorf("the regular expression has %d bytes, at most %d are allowed", len(expression), maxRegex)
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	template, err := templateOf(substitution, re.NumSubexp())
	if err != nil {
		return nil, err
	}
	return func(path string) string { return rooted(re.ReplaceAllString(path, template)) }, nil
}

// templateOf writes a substitution in RE2's form as package regexp has it.
func templateOf(substitution string, groups int) (string, error) {
	var b strings.Builder
	for i := 0; i < len(substitution); i++ {
		switch c := substitution[i]; c {
		case '$':
			b.WriteString("$$")
		case '\\':
			i++
			if i == len(substitution) {
				return "", errors.New(`the substitution ends in \: write \\ for a backslash`)
			}
			switch d := substitution[i]; {
			case d == '\\':
				b.WriteByte('\\')
			case d < '0' || d > '9':
				return "", fmt.Errorf(`\%c in the substitution means nothing: write \0 to \9, or \\`, d)
			case int(d-'0') > groups:
				return "", fmt.Errorf(`\%c in the substitution: the expression has %d groups`, d, groups)
			default:
				b.WriteString("${" + string(d) + "}")
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}
