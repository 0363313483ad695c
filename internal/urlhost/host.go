// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package urlhost brings the host of a request into one form: lower case, without the dot
// of a fully qualified name, the port in decimal and without zeros before it.
//
//	host, ok := urlhost.Clean("Reviews.Shop.:09080") // "reviews.shop:9080", true
//
// What no host can be, and what readers could read differently, is refused: user info,
// escapes, zones of addresses, lists, white space, characters beyond ASCII, an empty name
// before a port.
package urlhost

import (
	"net/netip"
	"strconv"
	"strings"
)

// shape says what a byte of a host is.
type shape uint8

const (
	bad   shape = iota
	lower       // stays as it is
	upper
	point
)

var shapes = func() (t [256]shape) {
	for c := range t {
		switch b := byte(c); {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '_':
			t[c] = lower
		case 'A' <= b && b <= 'Z':
			t[c] = upper
		case b == '.':
			t[c] = point
		}
	}
	return t
}()

// Clean is the one form of host, a name or an address with or without a port, and whether
// it has one. A host that is in it already comes back as it is, without an allocation. ""
// stays "": HTTP/1.0 has requests without a host.
func Clean(host string) (string, bool) {
	switch {
	case host == "":
		return "", true
	case host[0] == '[':
		return address(host)
	}
	end, raised := 0, false
	for end < len(host) && host[end] != ':' {
		switch shapes[host[end]] {
		case bad:
			return "", false
		case upper:
			raised = true
		case point:
			if end == 0 || host[end-1] == '.' {
				return "", false
			}
		case lower:
		}
		end++
	}
	name := host[:end]
	if trimmed := strings.TrimSuffix(name, "."); trimmed != name {
		return join(strings.ToLower(trimmed), host[end:])
	}
	if raised {
		return join(strings.ToLower(name), host[end:])
	}
	if name == "" {
		return "", false
	}
	return whole(host, end)
}

// whole is host, whose first end bytes are fine, with its port.
func whole(host string, end int) (string, bool) {
	tail := host[end:]
	port, ok := portOf(tail)
	switch {
	case !ok:
		return "", false
	case port == tail:
		return host, true
	}
	return host[:end] + port, true
}

func join(name, tail string) (string, bool) {
	port, ok := portOf(tail)
	return name + port, ok && name != ""
}

// portOf is the one form of ":port"; "" for none, and for an empty one.
func portOf(tail string) (string, bool) {
	if tail == "" || tail == ":" {
		return "", true
	}
	n := 0
	for i := 1; i < len(tail); i++ {
		c := tail[i]
		if c < '0' || c > '9' {
			return "", false
		}
		if n = 10*n + int(c-'0'); n > 0xffff {
			return "", false
		}
	}
	switch {
	case n == 0:
		return "", false
	case tail[1] == '0':
		return ":" + strconv.Itoa(n), true
	}
	return tail, true
}

// address is the one form of "[IPv6]" or "[IPv6]:port".
func address(host string) (string, bool) {
	end := strings.IndexByte(host, ']')
	if end < 0 || len(host) > end+1 && host[end+1] != ':' {
		return "", false
	}
	ip, err := netip.ParseAddr(host[1:end])
	if err != nil || !ip.Is6() || ip.Zone() != "" {
		return "", false
	}
	port, ok := portOf(host[end+1:])
	if !ok {
		return "", false
	}
	if text := "[" + ip.String() + "]" + port; text != host {
		return text, true
	}
	return host, true
}

// Name is host without its port, and without the brackets of an address.
func Name(host string) string {
	if host == "" {
		return ""
	}
	if host[0] == '[' {
		name, _, _ := strings.Cut(host[1:], "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}
