// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"net"
	"net/netip"
	"os"

	"github.com/enmesh-go/enmesh"
)

// SourceAddress takes the key from the address of whoever makes the call, without its
// port: Istio's useSourceIp. On a call that has a Source (see [enmesh.Call]) that is the
// peer's address. A client's own calls have none: as behind a sidecar, whose downstream
// is the program beside it, they all have the key of this process's own address, so
// that each process goes to one endpoint and different ones to different endpoints.
//
// own is that address. The zero Addr stands for the first one of the machine that is
// neither loopback nor link-local, in the order of its interfaces, or else for the host's
// name.
func SourceAddress(own netip.Addr) enmesh.Middleware {
	key := keyOfAddr(own)
	if key == 0 {
		key = keyOfThisHost()
	}
	return keyed(func(c *enmesh.Call) uint64 {
		if c.Source == nil {
			return key
		}
		return keyOfAddr(c.Source.Addr.Addr())
	})
}

// keyOfAddr is the key of an address's text, without formatting it into a new string. An
// IPv4 address in IPv6 is the IPv4 address. 0: no address.
func keyOfAddr(addr netip.Addr) uint64 {
	if !addr.IsValid() {
		return 0
	}
	var text [64]byte
	return keyOfBytes(addr.Unmap().WithZone("").AppendTo(text[:0]))
}

func keyOfThisHost() uint64 {
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
				return keyOfAddr(prefix.Addr())
			}
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return 0
	}
	return KeyOf(name)
}
