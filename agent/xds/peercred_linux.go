// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package xds

import (
	"fmt"
	"net"
	"syscall"
)

// knowsPeers says that the system tells who connects.
const knowsPeers = true

// credsOf asks the kernel who is at the other end.
func credsOf(c *net.UnixConn) (Peer, error) {
	p := Peer{Network: "unix"}
	raw, err := c.SyscallConn()
	if err != nil {
		return p, fmt.Errorf("xds: %w", err)
	}
	var cred *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return p, fmt.Errorf("xds: %w", err)
	}
	p.Known, p.UID, p.GID, p.PID = true, cred.Uid, cred.Gid, cred.Pid
	return p, nil
}
