// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
)

// permission is a compiled permission: every part that is set must match.
type permission struct {
	allow   bool
	jwt     bool // it asks for a token, which is not looked at here
	path    func(string) bool
	methods []string
	headers []header
	wire    wirePermission
}

// header is a condition on a header. Of several values, a denial is matched by any, and an
// allowance by all.
type header struct {
	name   string            // as HTTP's adapter has it
	lower  string            // as gRPC's has it
	value  func(string) bool // nil: any value
	invert bool
}

// maxRegex bounds a regular expression, in bytes.
const maxRegex = 1024

// compilePermission reads a permission. What it does not understand is an error.
func compilePermission(raw json.RawMessage) (permission, error) {
	var p permission
	if err := strict(raw, &p.wire); err != nil {
		return p, err
	}
	var err error
	if p.allow, err = allows(p.wire.Action); err != nil {
		return p, err
	}
	p.jwt = isSet(p.wire.JWT)
	h := p.wire.HTTP
	if h == nil {
		return p, nil
	}
	p.methods = h.Methods
	if p.path, err = compilePath(h); err != nil {
		return p, err
	}
	for _, w := range h.Header {
		one, err := compileHeader(w)
		if err != nil {
			return p, fmt.Errorf("header %q: %w", w.Name, err)
		}
		p.headers = append(p.headers, one)
	}
	return p, nil
}

func allows(action string) (bool, error) {
	switch action {
	case "allow":
		return true, nil
	case "deny":
		return false, nil
	}
	return false, fmt.Errorf("the action %q is neither allow nor deny", action)
}

// compilePath compares with the decoded path, so that what Consul has in encoded form is
// decoded too.
func compilePath(h *wireHTTP) (func(string) bool, error) {
	set := 0
	for _, s := range []string{h.PathExact, h.PathPrefix, h.PathRegex} {
		if s != "" {
			set++
		}
	}
	if set > 1 {
		return nil, errors.New("more than one of PathExact, PathPrefix and PathRegex is set")
	}
	switch {
	case h.PathExact != "":
		plain, err := url.PathUnescape(h.PathExact)
		return func(s string) bool { return s == plain }, err
	case h.PathPrefix != "":
		plain, err := url.PathUnescape(h.PathPrefix)
		return func(s string) bool { return strings.HasPrefix(s, plain) }, err
	case h.PathRegex != "":
		r, err := whole(h.PathRegex, false)
		if err != nil {
			return nil, err
		}
		return r.MatchString, nil
	}
	return nil, nil
}

func compileHeader(w wireHeader) (header, error) {
	h := header{name: http.CanonicalHeaderKey(w.Name), lower: strings.ToLower(w.Name), invert: w.Invert}
	switch h.lower {
	case ":method", ":path", ":authority", ":scheme":
	default:
		if !headername.Valid(w.Name) {
			return h, errors.New("it is not the name of a header")
		}
	}
	fold := func(s string) string { return s }
	if w.IgnoreCase {
		fold = strings.ToLower
	}
	set := 0
	for _, s := range []string{w.Exact, w.Prefix, w.Suffix, w.Contains, w.Regex} {
		if s != "" {
			set++
		}
	}
	if w.Present {
		set++
	}
	if set != 1 {
		return h, errors.New("not exactly one of Present, Exact, Prefix, Suffix, Contains and Regex is set")
	}
	switch {
	case w.Exact != "":
		want := fold(w.Exact)
		h.value = func(s string) bool { return fold(s) == want }
	case w.Prefix != "":
		want := fold(w.Prefix)
		h.value = func(s string) bool { return strings.HasPrefix(fold(s), want) }
	case w.Suffix != "":
		want := fold(w.Suffix)
		h.value = func(s string) bool { return strings.HasSuffix(fold(s), want) }
	case w.Contains != "":
		want := fold(w.Contains)
		h.value = func(s string) bool { return strings.Contains(fold(s), want) }
	case w.Regex != "":
		r, err := whole(w.Regex, w.IgnoreCase)
		if err != nil {
			return h, err
		}
		h.value = r.MatchString
	}
	return h, nil
}

// whole compiles an RE2 expression that must match the whole text, line ends included.
func whole(expression string, ignoreCase bool) (*regexp.Regexp, error) {
	if len(expression) > maxRegex {
		return nil, fmt.Errorf("a regular expression has %d bytes, at most %d are allowed", len(expression), maxRegex)
	}
	if _, err := regexp.Compile(expression); err != nil { // by itself, else it could close what it did not open
		return nil, err
	}
	flags := "(?s)"
	if ignoreCase {
		flags = "(?si)"
	}
	return regexp.Compile(flags + `\A(?:` + expression + `)\z`)
}

// matches reports whether the permission speaks of the call.
func (p *permission) matches(c *enmesh.Call) bool {
	if p.allow && p.jwt {
		return false // nobody has looked at the token
	}
	if p.path != nil && !p.path(c.Path) {
		return false
	}
	if len(p.methods) > 0 && !slices.Contains(p.methods, c.Method) {
		return false
	}
	for i := range p.headers {
		if !p.headers[i].matches(c, p.allow) {
			return false
		}
	}
	return true
}

// matches reports whether the condition holds: strictly where it allows, loosely where it
// denies.
func (h *header) matches(c *enmesh.Call, allow bool) bool {
	values := h.values(c)
	some, all := false, len(values) > 0
	for _, v := range values {
		if h.value == nil || h.value(v) {
			some = true
		} else {
			all = false
		}
	}
	switch {
	case allow && h.invert:
		return !some
	case allow:
		return all
	case h.invert:
		return !all
	}
	return some
}

// values are those of the header, or of one of HTTP/2's own.
func (h *header) values(c *enmesh.Call) []string {
	if h.lower[0] == ':' {
		return own(c, h.lower)
	}
	switch {
	case c.Header == nil:
		return nil
	case c.Protocol == enmesh.GRPC:
		return c.Header.Values(h.lower)
	}
	return c.Header.Values(h.name)
}

// own is a header of HTTP/2's own; none has the rest of their names.
func own(c *enmesh.Call, name string) []string {
	var value string
	switch name {
	case ":method":
		value = c.Method
	case ":path":
		value = c.Path
		if c.Query != "" {
			value += "?" + c.Query
		}
	case ":authority":
		value = c.Authority
	case ":scheme":
		value = c.Scheme
	}
	if value == "" {
		return nil
	}
	return []string{value}
}
