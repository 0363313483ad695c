// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"testing"
	"unsafe"

	"github.com/enmesh-go/enmesh/discovery"
)

// What every call touches of an endpoint shares one cache line. A field more in host:
// shorten its padding, or raise it to the next size that is a multiple of 64.
func TestHost_hotFieldsShareALine(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("laid out for 64 bits")
	}
	const line = 64
	var h host
	if end := unsafe.Offsetof(h.self) + unsafe.Offsetof(h.self.ready) + unsafe.Sizeof(h.self.ready); end > line {
		t.Errorf("what a call touches ends at byte %d, want within %d", end, line)
	}
	if size := unsafe.Sizeof(h); size%line != 0 {
		t.Errorf("a host has %d bytes, want a multiple of %d", size, line)
	}
	hosts := make([]*host, 100)
	for i := range hosts {
		hosts[i] = newHost(NewCluster(ClusterConfig{}), identity{}, nil, new(discovery.Endpoint))
		if at := uintptr(unsafe.Pointer(hosts[i])) % line; at != 0 {
			t.Fatalf("a host begins %d bytes into a line", at)
		}
	}
}
