// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package faultnet

import (
	"errors"
	"os"
	"syscall"
)

// sever attaches a filter to a socket that keeps no byte of any packet (socket(7),
// SO_ATTACH_FILTER): TCP never sees them. It needs no privileges.
func sever(c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		nothing := []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K}}
		failed = os.NewSyscallError("setsockopt", syscall.AttachLsf(int(fd), nothing)) //nolint:staticcheck // x/net/bpf assembles programs; this is one instruction
	})
	return errors.Join(err, failed)
}
