// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
)

// maxTime is the last second of the year 9999: what is later is not a time.
const maxTime = 253402300799

// person reads who the token is about and for. The claims are those of RFC 7519, section 4.1.
func (t *token) person() (*enmesh.Auth, *enmesh.Error) {
	a := &enmesh.Auth{Claims: t.claims}
	var ok [4]bool
	a.Issuer, ok[0] = t.text("iss")
	a.Subject, ok[1] = t.text("sub")
	a.Presenter, ok[2] = t.text("azp")
	a.Audiences, ok[3] = texts(t.claims["aud"])
	if ok != [4]bool{true, true, true, true} {
		return nil, errClaim
	}
	return a, nil
}

// text is a claim of text; "" when there is none.
func (t *token) text(claim string) (string, bool) {
	v, ok := t.claims[claim]
	if !ok {
		return "", true
	}
	s, ok := v.(string)
	return s, ok && !hasControl(s)
}

// texts is a claim that is one text or a list of them.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, !hasControl(v)
	case []any:
		all := make([]string, 0, len(v))
		for _, one := range v {
			s, ok := one.(string)
			if !ok || hasControl(s) {
				return nil, false
			}
			all = append(all, s)
		}
		return all, true
	}
	return nil, false
}

// span is when a token is valid.
type span struct{ from, to time.Time }

// check is nil while the token is valid, give or take the leeway.
func (s span) check(now time.Time, leeway time.Duration) *enmesh.Error {
	switch {
	case !now.Before(s.to.Add(leeway)):
		return errExpired
	case now.Add(leeway).Before(s.from):
		return errEarly
	}
	return nil
}

// life reads from when to when the token is valid: it must say when it expires, and is
// not valid before it was issued.
func (t *token) life() (span, *enmesh.Error) {
	var s span
	to, ok := t.claims["exp"]
	if !ok {
		return s, errExpiry
	}
	if s.to, ok = instant(to); !ok {
		return s, errClaim
	}
	for _, claim := range [...]string{"nbf", "iat"} {
		v, ok := t.claims[claim]
		if !ok {
			continue
		}
		at, ok := instant(v)
		if !ok {
			return s, errClaim
		}
		if at.After(s.from) {
			s.from = at
		}
	}
	return s, nil
}

// instant is a NumericDate: seconds since 1970, perhaps with a fraction.
func instant(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || !(f > 0 && f <= maxTime) {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true
}

// anyOf reports whether one of the audiences is accepted.
func anyOf(accepted, audiences []string) bool {
	return slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(accepted, a) })
}

// claim finds a claim by its name, or by a path with dots; nil when there is none.
func claim(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	for {
		first, rest, more := strings.Cut(name, ".")
		v := claims[first]
		if !more {
			return v
		}
		claims, _ = v.(map[string]any)
		name = rest
	}
}

// split makes lists of the claims that are several values with spaces between.
func split(claims map[string]any, names []string) {
	for _, name := range names {
		in := claims
		if _, ok := claims[name]; !ok {
			if dot := strings.LastIndexByte(name, '.'); dot > 0 {
				in, _ = claim(claims, name[:dot]).(map[string]any)
				name = name[dot+1:]
			}
		}
		s, ok := in[name].(string)
		if !ok {
			continue
		}
		values := []any{}
		for one := range strings.FieldsSeq(s) {
			values = append(values, one)
		}
		in[name] = values
	}
}
