// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Scheme is the scheme of targets that the mesh resolves: "enmesh:///ratings".
const Scheme = "enmesh"

// destinationOf reads where a ClientConn's target leads. It serves foreign targets
// ("dns:///ratings:9081", "xds:///ratings", "ratings:9081") as well, so that routes
// match there too. It allocates nothing.
func destinationOf(target string) enmesh.Destination {
	return splitPort(endpointOf(target))
}

// endpointOf is what a target has after "scheme://authority/", or after "scheme:".
func endpointOf(target string) string {
	scheme, rest, ok := strings.Cut(target, ":")
	if !ok {
		return target
	}
	if rest, ok := strings.CutPrefix(rest, "//"); ok {
		_, endpoint, ok := strings.Cut(rest, "/")
		if !ok {
			return rest
		}
		return endpoint
	}
	if isPort(rest) || strings.ContainsAny(scheme, ".[") || strings.Contains(rest, ":") && !strings.HasPrefix(rest, "/") {
		return target // "ratings:9081", "10.0.0.1:9081", "[::1]:9081": no scheme at all
	}
	return strings.TrimPrefix(rest, "/")
}

// splitPort takes a port from the end of "name:port"; a text without one is all name.
func splitPort(endpoint string) enmesh.Destination {
	i := strings.LastIndexByte(endpoint, ':')
	if i < 0 || strings.IndexByte(endpoint, ':') != i && endpoint[i-1] != ']' {
		return enmesh.Destination{Service: endpoint}
	}
	port, err := strconv.ParseUint(endpoint[i+1:], 10, 16)
	if err != nil {
		return enmesh.Destination{Service: endpoint}
	}
	return enmesh.Destination{Service: endpoint[:i], Port: uint16(port)}
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}
