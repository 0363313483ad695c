// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import "syscall"

// apart would keep a terminal's Ctrl-C from a process, were there process groups.
func apart() *syscall.SysProcAttr { return nil }
