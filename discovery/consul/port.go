// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// protocols are those that a port can be labelled with; "" is any.
var protocols = []string{"", "http", "http2", "grpc", "tcp"}

// parsePort reads number[:target][/protocol], as it stands under port-<name>. A
// name that is the number is no name.
func parsePort(name, text string) (p discovery.Port, ok bool) {
	numbers, protocol, _ := strings.Cut(text, "/")
	number, target, both := strings.Cut(numbers, ":")
	p = discovery.Port{Name: name, Protocol: protocol}
	if p.Number, ok = parsePortNumber(number); !ok || !slices.Contains(protocols, protocol) {
		return p, false
	}
	if both {
		if p.Target, ok = parsePortNumber(target); !ok {
			return p, false
		}
	}
	if name == strconv.Itoa(int(p.Number)) {
		p.Name = ""
	}
	return p, true
}

func parsePortNumber(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && n > 0
}

// formatPort is what parsePort reads.
func formatPort(p discovery.Port) string {
	text := strconv.Itoa(int(p.Number))
	if p.Target != 0 {
		text += ":" + strconv.Itoa(int(p.Target))
	}
	if p.Protocol != "" {
		text += "/" + p.Protocol
	}
	return text
}

// comparePorts orders ports by number, since metadata has no order of its own.
func comparePorts(a, b discovery.Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.Name, b.Name))
}
