// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package faultnet

import (
	"errors"
	"syscall"
)

// sever needs Linux.
func sever(syscall.RawConn) error { return errors.ErrUnsupported }
