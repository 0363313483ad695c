// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are taken from a range below those that kernels give to clients and apart from
// other test helpers': a server that is down finds its port free when it returns.
const (
	firstPort = 12000
	lastPort  = 20000
	blockSize = 4 // the lock, and three for the server
)

// Ports takes three ports in a row that are free on 127.0.0.1, and returns the first. No
// other test that asks here gets them before this one ends.
func Ports(t testing.TB) int {
	t.Helper()
	for range 200 {
		base := firstPort + rand.IntN((lastPort-firstPort)/blockSize)*blockSize
		lock := listen(base)
		if lock == nil {
			continue
		}
		if free(base+1) && free(base+2) && free(base+3) {
			t.Cleanup(func() { lock.Close() })
			return base + 1
		}
		lock.Close()
	}
	t.Fatalf("redistest: no %d free ports in a row between %d and %d", blockSize, firstPort, lastPort)
	return 0
}

// Loopback is the address of a port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// listen takes the port, or returns nil.
func listen(port int) net.Listener {
	l, err := net.Listen("tcp", Loopback(port)) //nolint:noctx // there is nothing to wait for
	if err != nil {
		return nil
	}
	return l
}

func free(port int) bool {
	l := listen(port)
	if l == nil {
		return false
	}
	l.Close()
	return true
}
