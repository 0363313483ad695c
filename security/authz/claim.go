// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// claim is a condition on a claim of the end user's token.
type claim struct {
	path     []string
	spaced   bool // a text in it is a list with spaces between
	patterns *set
}

// spacedClaims are lists with spaces between, by Istio's custom.
var spacedClaims = []string{"scope", "permission"}

var errKeyPath = errors.New("has no name, or names, in brackets")

// parseNames reads "[a][b]".
func parseNames(s string) ([]string, error) {
	var names []string
	for s != "" {
		name, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]")
		if s[0] != '[' || !ok || name == "" || strings.Contains(name, "[") {
			return nil, errKeyPath
		}
		names, s = append(names, name), rest
	}
	if len(names) == 0 {
		return nil, errKeyPath
	}
	return names, nil
}

func newClaim(path []string, patterns *set) *claim {
	return &claim{path: path, spaced: len(path) == 1 && slices.Contains(spacedClaims, path[0]), patterns: patterns}
}

// value is the claim of a token, nil when it has none.
func (c *claim) value(a *enmesh.Auth) any {
	if a == nil {
		return nil
	}
	var value any = a.Claims
	for _, name := range c.path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// match reports whether a text of the claim, or of the list in it, matches. Istio compares
// texts alone: a number or a truth value matches, as it is written, only if lean.
func (c *claim) match(a *enmesh.Auth, lean bool) bool { return c.matchValue(c.value(a), lean, true) }

func (c *claim) matchValue(value any, lean, lists bool) bool {
	switch v := value.(type) {
	case nil:
		return false
	case string:
		return c.matchText(v, lean)
	case []any:
		return lists && slices.ContainsFunc(v, func(one any) bool { return c.matchValue(one, lean, false) })
	case []string:
		return lists && slices.ContainsFunc(v, func(one string) bool { return c.matchText(one, lean) })
	case map[string]any:
		return lean && c.patterns.present
	}
	return lean && c.patterns.match(scalar(value))
}

func (c *claim) matchText(v string, lean bool) bool {
	if hasNUL(v) {
		return lean
	}
	if c.patterns.match(v) {
		return true
	}
	for rest, more := v, c.spaced && strings.Contains(v, " "); more; {
		var one string
		one, rest, more = strings.Cut(rest, " ")
		if c.patterns.match(one) {
			return true
		}
	}
	return false
}

// scalar is a number or a truth value as JSON writes it.
func scalar(value any) string {
	switch v := value.(type) {
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// texts appends what the claim can be looked up by. It reports false where it has
// anything but texts.
func (c *claim) texts(a *enmesh.Auth, out []string) ([]string, bool) {
	switch v := c.value(a).(type) {
	case nil:
		return out, true
	case string:
		return c.appendText(out, v), !hasNUL(v)
	case []string:
		ok := true
		for _, one := range v {
			out, ok = c.appendText(out, one), ok && !hasNUL(one)
		}
		return out, ok
	case []any:
		ok := true
		for _, one := range v {
			s, is := one.(string)
			if is {
				out = c.appendText(out, s)
			}
			ok = ok && is && !hasNUL(s)
		}
		return out, ok
	}
	return out, false
}

func (c *claim) appendText(out []string, v string) []string {
	out = append(out, v)
	if c.spaced && strings.Contains(v, " ") {
		for one := range strings.SplitSeq(v, " ") {
			out = append(out, one)
		}
	}
	return out
}
