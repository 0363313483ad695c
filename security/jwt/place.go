// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// where is the kind of a place.
type where uint8

const (
	inHeader where = iota
	inParam
	inCookie
)

// place is a header, a query parameter or a cookie that tokens are read from, and how.
type place struct {
	where
	name string // a header's in canonical form
	ways []way
}

// way is a prefix, and the rules of which the token behind it must satisfy one.
type way struct {
	prefix string // "": none
	rules  []*rule
}

// places collects where the rules read tokens, in the order of the rules.
type places []*place

func (ps *places) add(in where, name, prefix string, r *rule) {
	i := slices.IndexFunc(*ps, func(p *place) bool { return p.where == in && p.name == name })
	if i < 0 {
		i = len(*ps)
		*ps = append(*ps, &place{where: in, name: name})
	}
	p := (*ps)[i]
	j := slices.IndexFunc(p.ways, func(w way) bool { return strings.EqualFold(w.prefix, prefix) })
	if j < 0 {
		j = len(p.ways)
		p.ways = append(p.ways, way{prefix: prefix})
	}
	if !slices.Contains(p.ways[j].rules, r) {
		p.ways[j].rules = append(p.ways[j].rules, r)
	}
}

// read adds the places of a rule.
func (ps *places) read(from Rule, r *rule) error {
	if len(from.FromHeaders)+len(from.FromParams)+len(from.FromCookies) == 0 {
		ps.add(inHeader, "Authorization", "Bearer ", r)
		ps.add(inParam, "access_token", "", r)
		return nil
	}
	for _, h := range from.FromHeaders {
		if !isToken(h.Name) {
			return fmt.Errorf("FromHeaders: %q is not the name of a header", h.Name)
		}
		ps.add(inHeader, textproto.CanonicalMIMEHeaderKey(h.Name), h.Prefix, r)
	}
	for _, name := range from.FromParams {
		if name == "" {
			return errors.New("FromParams has an empty one")
		}
		ps.add(inParam, name, "", r)
	}
	for _, name := range from.FromCookies {
		if !isToken(name) {
			return fmt.Errorf("FromCookies: %q is not the name of a cookie", name)
		}
		ps.add(inCookie, name, "", r)
	}
	return nil
}

// find is the one value of the place that has a token in it, "" and false if there is none.
func (p *place) find(c *enmesh.Call) (value string, found bool, e *enmesh.Error) {
	values := values{place: p}
	switch p.where {
	case inHeader:
		for _, v := range c.Header.Values(p.name) {
			values.add(v)
		}
	case inParam:
		eachParam(c.Query, func(name, value, _ string) {
			if name == p.name {
				values.add(value)
			}
		})
	case inCookie:
		for _, line := range c.Header.Values("Cookie") {
			eachCookie(line, func(name, value, _ string) {
				if name == p.name {
					values.add(value)
				}
			})
		}
	}
	if values.several {
		return "", true, errSeveral
	}
	return values.value, values.found, nil
}

// values is what stands at a place. The same twice is one.
type values struct {
	place          *place
	value          string
	found, several bool
}

func (v *values) add(value string) {
	if !v.place.concerns(value) {
		return
	}
	if v.found && v.value != value {
		v.several = true
	}
	v.value, v.found = value, true
}

// concerns reports whether there is a token in a value, or what its caller may take for one:
// whatever has a prefix that tokens are read behind.
func (p *place) concerns(value string) bool {
	for _, w := range p.ways {
		if _, ok := w.cut(value); ok || containsFold(value, w.prefix) {
			return true
		}
	}
	return false
}

// cut is the token behind the prefix; ok is false where the prefix does not begin the value. A
// prefix that ends in a space, as "Bearer ", is there without it too, with no token behind it.
func (w way) cut(value string) (raw string, ok bool) {
	if len(value) >= len(w.prefix) && strings.EqualFold(value[:len(w.prefix)], w.prefix) {
		return value[len(w.prefix):], true
	}
	bare := strings.TrimRight(w.prefix, " ")
	if len(bare) == len(w.prefix) || len(value) < len(bare) || !strings.EqualFold(value[:len(bare)], bare) {
		return "", false
	}
	rest := value[len(bare):]
	return rest, rest == "" || rest[0] == '\t' || rest[0] == ','
}

// containsFold reports whether part, which is not "", is anywhere in s, in any case.
func containsFold(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
