// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"net"
	"sync"
	"sync/atomic"
)

// ice freezes a server as SIGSTOP does a process: the kernel goes on accepting and
// buffering, and nobody reads, writes or accepts.
type ice struct {
	mu     sync.Mutex
	frozen bool
	warm   sync.Cond

	resets atomic.Int64 // one connection in so many is reset when it was accepted; 0: none
	seen   atomic.Int64
	reset  atomic.Int64
}

func newIce() *ice {
	i := new(ice)
	i.warm.L = &i.mu
	return i
}

func (i *ice) freeze() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.frozen = true
}

func (i *ice) thaw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.frozen = false
	i.warm.Broadcast()
}

// wait waits while it is frozen.
func (i *ice) wait() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.frozen {
		i.warm.Wait()
	}
}

// frozenListener is the listener of a server that can be frozen.
type frozenListener struct {
	net.Listener
	ice *ice
}

// Accept hands nothing on while it is frozen.
func (l frozenListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.ice.wait()
	if err != nil {
		return nil, err
	}
	if n := l.ice.resets.Load(); n > 0 && l.ice.seen.Add(1)%n == 0 {
		l.ice.reset.Add(1)
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	return frozenConn{conn, l.ice}, nil
}

type frozenConn struct {
	net.Conn
	ice *ice
}

// Read keeps what it has read while it is frozen.
func (c frozenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.ice.wait()
	return n, err
}

// Write keeps what is to be written while it is frozen.
func (c frozenConn) Write(p []byte) (int, error) {
	c.ice.wait()
	return c.Conn.Write(p)
}
