// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package xds

import (
	"errors"
	"net"
)

// knowsPeers says that the system tells who connects.
const knowsPeers = false

// credsOf has nobody to ask.
func credsOf(*net.UnixConn) (Peer, error) {
	return Peer{Network: "unix"}, errors.New("xds: this system does not tell who connects to a unix socket")
}
