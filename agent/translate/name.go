// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"net"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// The names that gRPC servers ask for their listener by: gRPC's own convention and that of
// Istio's agent. What follows is the address that the server listens on.
var inbound = []string{
	"grpc/server?xds.resource.listening_address=",
	"xds.istio.io/grpc/lds/inbound/",
}

// ServerListenerTemplate is what a bootstrap file should have as
// server_listener_resource_name_template. Istio's is understood, too.
const ServerListenerTemplate = "grpc/server?xds.resource.listening_address=%s"

// listening is the address in the name of a server's listener.
func listening(name string) (host string, port uint16, ok bool) {
	for _, prefix := range inbound {
		if address, found := strings.CutPrefix(name, prefix); found {
			host, port, ok = splitAddress(address)
			return host, port, ok
		}
	}
	return "", 0, false
}

// isInbound reports whether a listener is a server's, or pretends to be.
func isInbound(name string) bool {
	return strings.HasPrefix(name, inbound[0]) || strings.HasPrefix(name, inbound[1])
}

func splitAddress(address string) (host string, port uint16, ok bool) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return host, uint16(n), err == nil
}

// portOf is the port in the name of a client's listener: 0, if it has none.
func portOf(name string) uint16 {
	if _, port, ok := splitAddress(name); ok {
		return port
	}
	return 0
}

const direction = "outbound"

// clusterName is Istio's name of a cluster: "outbound|9080|v1|reviews.default.svc.cluster.local".
func clusterName(d enmesh.Destination) string {
	return direction + "|" + strconv.Itoa(int(d.Port)) + "|" + d.Subset + "|" + d.Service
}

// parseCluster reads what clusterName writes.
func parseCluster(name string) (d enmesh.Destination, ok bool) {
	parts := strings.Split(name, "|")
	if len(parts) != 4 || parts[0] != direction || parts[3] == "" {
		return d, false
	}
	port, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil || strconv.FormatUint(port, 10) != parts[1] {
		return d, false
	}
	return enmesh.Destination{Service: parts[3], Subset: parts[2], Port: uint16(port)}, true
}

// registryName is how the registry is asked for a key.
func registryName(n enmesh.Naming, key string) string {
	name, namespace, ok := n.SplitKey(key)
	switch {
	case !ok:
		return key
	case n.Key(name) == key:
		return name
	}
	return name + "." + namespace
}
