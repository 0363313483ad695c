// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are taken from a range below those that kernels give to clients (32768 and up
// on Linux, 49152 elsewhere): a node that is down finds its ports free when it returns.
const (
	firstPort = 20000
	lastPort  = 32000
	blockSize = 8 // the lock, and one for each field of ports
)

// ports are those of one node, all on 127.0.0.1.
type ports struct {
	http, dns, grpc, lan, wan, server int
}

// reservePorts takes a block of ports that are free, for TCP and for UDP. The first
// one is held open until the test ends, so that no other test process takes the block
// while the node is down.
func reservePorts(t testing.TB) ports {
	t.Helper()
	const blocks = (lastPort - firstPort) / blockSize
	for range 200 {
		base := firstPort + rand.IntN(blocks)*blockSize
		lock := lockPort(base)
		if lock == nil {
			continue
		}
		if !blockFree(base+1, blockSize-1) {
			lock.Close()
			continue
		}
		t.Cleanup(func() { lock.Close() })
		return ports{http: base + 1, dns: base + 2, grpc: base + 3, lan: base + 4, wan: base + 5, server: base + 6}
	}
	t.Fatalf("consultest: no %d free ports in a row between %d and %d", blockSize, firstPort, lastPort)
	return ports{}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// lockPort listens on the port, or returns nil.
func lockPort(port int) net.Listener {
	l, err := net.Listen("tcp", loopback(port)) //nolint:noctx // there is nothing to wait for
	if err != nil {
		return nil
	}
	return l
}

// blockFree reports whether n ports from first on can be bound, for TCP and for UDP.
func blockFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l := lockPort(port)
		if l == nil {
			return false
		}
		l.Close()
		p, err := net.ListenPacket("udp", loopback(port)) //nolint:noctx // there is nothing to wait for
		if err != nil {
			return false
		}
		_ = p.Close() // nothing was written
	}
	return true
}
