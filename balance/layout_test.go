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

// Where a picker stands is written with every pick, by every processor; what it picks from is
// read, from lines that all of them hold.
func TestCounter_hasALineOfItsOwn(t *testing.T) {
	const line = 64
	padded := unsafe.Sizeof(uintptr(0)) == 8 // to whole lines, so that the allocator aligns them
	if size := unsafe.Sizeof(counter{}); size != line {
		t.Errorf("a counter has %d bytes, want %d", size, line)
	}
	for name, p := range map[string]struct{ size, counter, rest uintptr }{
		"roundRobin": {unsafe.Sizeof(roundRobin{}), unsafe.Offsetof(roundRobin{}.counter), unsafe.Offsetof(roundRobin{}.eps)},
		"weighted":   {unsafe.Sizeof(weighted{}), unsafe.Offsetof(weighted{}.counter), unsafe.Offsetof(weighted{}.eps)},
	} {
		if padded && p.size%line != 0 || p.counter != 0 || p.rest < line {
			t.Errorf("%s has %d bytes, its counter at %d and the rest from %d: they share a line", name, p.size, p.counter, p.rest)
		}
	}
}
