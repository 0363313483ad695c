// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package reserved knows the header names that say who a caller is, or what a request was
// before a proxy changed it. Only proxies set them, and only from a proxy that is trusted do
// they mean anything; from anybody else they are taken off before a policy or a handler can
// read them.
//
//	names := reserved.New([]string{"X-Role"}, nil)
//	names.Has("X-Forwarded-Client-Cert") // true, as in any other case, and with "_" for "-"
package reserved

import (
	"net/textproto"
	"strings"
)

// prefixes begin names that are reserved, unless they are kept.
var prefixes = []string{"x-envoy-", "l5d-", "x-istio-"}

// exact are the other names.
var exact = []string{
	// who calls
	"x-forwarded-client-cert", "client-cert", "client-cert-chain", "x-client-cert",
	"x-ssl-client-cert", "x-ssl-client-verify", "x-ssl-client-s-dn", "x-jwt-payload", "x-jwt-claims",
	// what the request was
	"x-original-url", "x-original-uri", "x-original-method", "x-original-host", "x-rewrite-url",
	"x-forwarded-prefix", "x-forwarded-uri", "x-forwarded-path", "x-forwarded-method",
	"x-http-method", "x-http-method-override", "x-method-override",
	// the host of HTTP/2, which has :authority
	"host",
}

// kept are names with a reserved prefix that say nothing of who calls: which attempt it is,
// how long the caller waits, and what faults it wants injected, where policy lets it.
var kept = []string{
	"x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms",
	"x-envoy-fault-delay-request", "x-envoy-fault-delay-request-percentage",
	"x-envoy-fault-abort-request", "x-envoy-fault-abort-grpc-request", "x-envoy-fault-abort-request-percentage",
}

// longest is the length of the longest name that is compared whole.
const longest = 64

// Names is a set of reserved names. It is not changed once it is made.
type Names struct {
	exact   map[string]bool // in lower case, with "-"; false: kept
	passes  map[string]bool // kept names as HTTP and gRPC write them, to be quick about them
	lengths [256]uint64     // by a name's first byte: the lengths that are looked at, a bit each
}

// New makes the set of the names above, without those of keep and with more.
func New(more, keep []string) *Names {
	n := &Names{exact: map[string]bool{}, passes: map[string]bool{}}
	n.put(exact, true)
	n.put(kept, false)
	n.put(keep, false)
	n.put(more, true)
	for name, reserved := range n.exact {
		if !reserved {
			n.passes[name], n.passes[textproto.CanonicalMIMEHeaderKey(name)] = true, true
		}
	}
	for _, p := range prefixes {
		n.begin(p[0], ^uint64(0))
	}
	return n
}

func (n *Names) put(names []string, reserved bool) {
	for _, name := range names {
		if name = strings.ReplaceAll(strings.ToLower(name), "_", "-"); name != "" {
			n.exact[name] = reserved
			n.begin(name[0], lengthBit(name))
		}
	}
}

func (n *Names) begin(c byte, lengths uint64) {
	n.lengths[c] |= lengths
	if 'a' <= c && c <= 'z' {
		n.lengths[c-'a'+'A'] |= lengths
	}
	if c == '-' {
		n.lengths['_'] |= lengths
	}
}

func lengthBit(name string) uint64 { return 1 << min(len(name), 63) }

// Has reports whether key is reserved, whatever its case, and whether it is written with
// "-" or "_".
func (n *Names) Has(key string) bool {
	if key == "" || n.lengths[key[0]]&lengthBit(key) == 0 || n.passes[key] {
		return false
	}
	var room [longest]byte
	name := room[:0]
	for i := range min(len(key), longest) {
		name = append(name, fold(key[i]))
	}
	if len(key) <= longest {
		if is, ok := n.exact[string(name)]; ok {
			return is
		}
	} else if is, ok := n.exact[strings.Map(foldRune, key)]; ok {
		return is
	}
	for _, p := range prefixes {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	return false
}

func fold(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_':
		return '-'
	}
	return c
}

func foldRune(r rune) rune {
	if r < 0x80 {
		return rune(fold(byte(r)))
	}
	return r
}
