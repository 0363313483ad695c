// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faultnet

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Blackhole is an address of this machine that drops every SYN until the test ends: a
// socket whose queue of connections is full, and stays so since nobody accepts them.
func Blackhole(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("socket", err))
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(os.NewSyscallError("bind", err))
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(os.NewSyscallError("listen", err))
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(os.NewSyscallError("getsockname", err))
	}
	in4, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("faultnet: the socket's name is a %T", name)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(in4.Port))
	full := net.Dialer{Timeout: 100 * time.Millisecond}
	for range 64 {
		c, err := full.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("faultnet: this kernel lets a full queue take more")
	return ""
}
