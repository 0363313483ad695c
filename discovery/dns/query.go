// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// query is what a service's name asks for.
type query struct {
	names []string // full names, each ending in a dot, in the order of trying
	srv   bool
	port  uint16     // of a host
	addr  netip.Addr // of a host that is an address: nothing is asked
}

// parseQuery reads a name of one of the package's two forms.
func parseQuery(name string, port uint16, search []string) (query, error) {
	if strings.HasPrefix(name, "_") {
		return parseService(name, search)
	}
	host := name
	if h, p, err := net.SplitHostPort(name); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return query{}, fmt.Errorf("port %q is not a number from 1 to 65535", p)
		}
		host, port = h, uint16(n)
	}
	if port == 0 {
		return query{}, fmt.Errorf("it has no port and Config.Port is 0; write %q", name+":<port>")
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return query{port: port, addr: addr}, nil
	}
	names, err := fullNames("", host, search)
	return query{names: names, port: port}, err
}

// parseService reads "_service._protocol.name".
func parseService(name string, search []string) (query, error) {
	labels := strings.SplitN(name, ".", 3)
	if len(labels) < 3 || len(labels[0]) < 2 || len(labels[1]) < 2 || labels[1][0] != '_' {
		return query{}, fmt.Errorf("an SRV name is _service._protocol.name, as in _grpc._tcp.reviews.internal")
	}
	names, err := fullNames(labels[0]+"."+labels[1]+".", labels[2], search)
	return query{names: names, srv: true}, err
}

// fullNames are the names to try for a host, in each search domain if it has no dot,
// and by itself.
func fullNames(prefix, host string, search []string) ([]string, error) {
	var names []string
	if !strings.Contains(host, ".") {
		for _, domain := range search {
			names = append(names, prefix+host+"."+strings.Trim(domain, ".")+".")
		}
	}
	names = append(names, prefix+strings.TrimSuffix(host, ".")+".")
	for _, n := range names {
		if err := checkName(n); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// checkName holds what RFC 1035 says of lengths; servers decide about letters.
func checkName(name string) error {
	if len(name) > 254 {
		return fmt.Errorf("%q is %d bytes long; a name has 253 at most", name, len(name)-1)
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("%q has a part of %d bytes; it is 1 to 63", name, len(label))
		}
	}
	return nil
}
