// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/security/authz"
)

// literal is one condition of a permission, in a policy's words. One of its fields is set.
type literal struct {
	path    string
	methods []string
	header  authz.Condition
}

// term is conditions that must all hold.
type term struct {
	operation authz.Operation
	when      []authz.Condition
}

// add adds a condition, or that it does not hold.
func (t *term) add(l literal, not bool) {
	o := &t.operation
	switch {
	case l.path != "" && not:
		o.NotPaths = append(o.NotPaths, l.path)
	case l.path != "":
		o.Paths = append(o.Paths, l.path)
	case l.methods != nil && not:
		o.NotMethods = append(o.NotMethods, l.methods...)
	case l.methods != nil:
		o.Methods = append(o.Methods, l.methods...)
	case not:
		t.when = append(t.when, authz.Condition{Key: l.header.Key, Values: l.header.NotValues, NotValues: l.header.Values})
	default:
		t.when = append(t.when, l.header)
	}
}

func (t *term) clone() term {
	o := t.operation
	return term{authz.Operation{
		Paths: slices.Clone(o.Paths), NotPaths: slices.Clone(o.NotPaths),
		Methods: slices.Clone(o.Methods), NotMethods: slices.Clone(o.NotMethods),
	}, slices.Clone(t.when)}
}

// rule is the term for the callers of an intention's rule.
func (t *term) rule(of authz.Rule, permission int) authz.Rule {
	of.Origin = fmt.Sprintf("%s, permission %d", of.Origin, permission)
	o := t.operation
	if len(o.Paths)+len(o.NotPaths)+len(o.Methods)+len(o.NotMethods) > 0 {
		of.To = []authz.Operation{o}
	}
	of.When = slices.Concat(of.When, t.when)
	return of
}

// literals are the conditions of a permission; none: it matches everything.
func literals(p *permission) ([]literal, error) {
	h := p.wire.HTTP
	if h == nil {
		return nil, nil
	}
	var out []literal
	path, err := pathOf(h)
	if err != nil {
		return nil, err
	}
	if path != "" {
		out = append(out, literal{path: path})
	}
	if len(h.Methods) > 0 {
		if slices.ContainsFunc(h.Methods, starred) {
			return nil, fmt.Errorf("a method of %q: %w", h.Methods, ErrNotExpressible)
		}
		out = append(out, literal{methods: h.Methods})
	}
	for _, w := range h.Header {
		c, err := conditionOf(w)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", w.Name, err)
		}
		out = append(out, literal{header: c})
	}
	return out, nil
}

func pathOf(h *wireHTTP) (string, error) {
	text, after := h.PathExact, ""
	if h.PathPrefix != "" {
		text, after = h.PathPrefix, "*"
	}
	plain, err := url.PathUnescape(text)
	if err != nil {
		return "", err
	}
	if h.PathRegex != "" || starred(plain) || strings.ContainsAny(plain, "{}") {
		return "", fmt.Errorf("the path %q: %w", text+h.PathRegex, ErrNotExpressible)
	}
	if plain == "" {
		return "", nil
	}
	return plain + after, nil
}

func conditionOf(w wireHeader) (authz.Condition, error) {
	var value string
	switch {
	case w.IgnoreCase, starred(w.Exact + w.Prefix + w.Suffix), w.Name[0] == ':':
	case w.Exact != "":
		value = w.Exact
	case w.Prefix != "":
		value = w.Prefix + "*"
	case w.Suffix != "":
		value = "*" + w.Suffix
	}
	if value == "" {
		return authz.Condition{}, ErrNotExpressible
	}
	c := authz.Condition{Key: "request.headers[" + w.Name + "]", Values: []string{value}}
	if w.Invert {
		c.Values, c.NotValues = nil, c.Values
	}
	return c, nil
}

// starred reports whether a text has what a policy would read as a pattern.
func starred(text string) bool { return strings.Contains(text, "*") }
