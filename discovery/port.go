// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

// Port maps a port of the service, which callers name, to the port the endpoint
// listens on.
type Port struct {
	Name     string
	Number   uint16 // the service's port
	Target   uint16 // the endpoint's port; 0 means Number
	Protocol string // "http", "http2", "grpc", "tcp"; "" is any
}

// Speaks reports whether a caller who wants protocol can use the port. A port of
// protocol "" speaks everything, and a caller who wants "" takes everything.
// Otherwise "http" is spoken by http and http2, and "grpc" by grpc and http2,
// since an operator who writes http2 has said only which framing is on the wire.
// All else must be equal.
func (p Port) Speaks(protocol string) bool {
	if p.Protocol == "" || protocol == "" || p.Protocol == protocol {
		return true
	}
	return p.Protocol == "http2" && (protocol == "http" || protocol == "grpc")
}

// target is the port to dial.
func (p Port) target() uint16 {
	if p.Target != 0 {
		return p.Target
	}
	return p.Number
}

// choosePort finds the port for a service port and a protocol as
// [Endpoint.Address] describes.
func choosePort(ports []Port, number uint16, protocol string) (Port, bool) {
	if number == 0 && len(ports) == 1 {
		return ports[0], true
	}
	best, rank := Port{}, 0
	for _, p := range ports {
		if number != 0 && p.Number != number {
			continue
		}
		if r := fit(p, number, protocol); r > rank {
			best, rank = p, r
		}
	}
	return best, rank > 0
}

// fit ranks a port for a protocol: 3 the very protocol or none asked for, 2 one
// that carries it, 1 named by number though its protocol differs, 0 not at all.
func fit(p Port, number uint16, protocol string) int {
	switch {
	case protocol == "" || p.Protocol == protocol:
		return 3
	case p.Speaks(protocol):
		return 2
	case number != 0:
		return 1
	}
	return 0
}
