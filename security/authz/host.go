// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// hosts are patterns of names, some with a port.
type hosts struct {
	any    *set // with any port
	ported []portedHost
}

type portedHost struct {
	host pattern
	port uint16
}

var (
	errHost     = errors.New("is no host: write the name as the Host header has it, in ASCII, with or without a port")
	errHostPort = errors.New("has a port that is not a number or \"*\"; an IPv6 address stands in brackets")
)

func newHosts(values []string) (*hosts, error) {
	h := &hosts{any: &set{}}
	for i, value := range values {
		p, port, err := parseHost(value)
		switch {
		case err != nil:
			return nil, bad(i, value, err)
		case port == 0:
			h.any.add(p)
		default:
			h.ported = append(h.ported, portedHost{p, port})
		}
	}
	h.any.seal()
	return h, nil
}

// parseHost reads a pattern of a host; port is 0 when it says nothing of it.
func parseHost(value string) (p pattern, port uint16, err error) {
	name, port, err := cutPatternPort(lower(value))
	if err != nil {
		return p, 0, err
	}
	if p, err = parsePattern(name); err != nil {
		return p, 0, err
	}
	for i := range len(p.text) {
		if !hostByte(p.text[i]) {
			return p, 0, errHost
		}
	}
	if p.form == exact || p.form == suffix {
		p.text = strings.TrimSuffix(p.text, ".")
	}
	if p.form == exact {
		canonical, ok := canonicalName(p.text)
		if !ok {
			return p, 0, errHost
		}
		p.text = canonical
	} else if p.form != present && (p.text == "" || strings.Contains(p.text, ":") && p.text[0] != '[') {
		return p, 0, errHostPort
	}
	return p, port, nil
}

// cutPatternPort takes ":8080" and ":*" off the end.
func cutPatternPort(value string) (name string, port uint16, err error) {
	colon := strings.LastIndexByte(value, ':')
	if colon < 0 || colon < strings.LastIndexByte(value, ']') {
		return value, 0, nil
	}
	name = value[:colon]
	if strings.Contains(name, ":") && !strings.HasSuffix(name, "]") {
		if strings.HasPrefix(value, "[") { // the beginning of an IPv6 address
			return value, 0, nil
		}
		return "", 0, errHostPort
	}
	if value[colon+1:] == "*" {
		return name, 0, nil
	}
	port, err = parsePort(value[colon+1:])
	if err != nil {
		return "", 0, errHostPort
	}
	return name, port, nil
}

var errPort = errors.New("is no port: write a number, 1 to 65535")

// parsePort reads a port in digits alone.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return 0, errPort
	}
	return uint16(n), nil
}

func hostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._:[]", c) >= 0
}

// canonicalName is a lower-case name without port and trailing dot; an address in brackets
// in its shortest form.
func canonicalName(name string) (string, bool) {
	if name == "" || name[len(name)-1] == '.' {
		return "", false
	}
	if name[0] == '[' {
		addr, err := netip.ParseAddr(strings.TrimSuffix(name[1:], "]"))
		if err != nil || name[len(name)-1] != ']' || !addr.Is6() {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	return name, name[0] != '.' && !strings.Contains(name, "..") && !strings.ContainsAny(name, ":[]")
}

// canonicalHost takes a call's authority apart; port is the scheme's own when it says
// none. It reports false for what is no host.
func canonicalHost(c *enmesh.Call) (name string, port uint16, ok bool) {
	name = lower(c.Authority)
	for i := range len(name) {
		if !hostByte(name[i]) {
			return "", 0, false
		}
	}
	port = 80
	if c.Scheme == "https" {
		port = 443
	}
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, ']') {
		if digits := name[colon+1:]; digits != "" {
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil {
				return "", 0, false
			}
			port = uint16(n)
		}
		name = name[:colon]
	}
	name, ok = canonicalName(strings.TrimSuffix(name, "."))
	return name, port, ok
}

// match reports whether a pattern matches.
func (h *hosts) match(name string, port uint16) bool {
	return h.any.match(name) || slices.ContainsFunc(h.ported, func(p portedHost) bool {
		return p.port == port && p.host.match(name)
	})
}

// match is that of one pattern.
func (p pattern) match(v string) bool {
	switch p.form {
	case exact:
		return v == p.text
	case prefix:
		return v != "" && strings.HasPrefix(v, p.text)
	case suffix:
		return v != "" && strings.HasSuffix(v, p.text)
	}
	return v != ""
}
