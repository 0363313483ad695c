// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import "syscall"

// apart keeps a terminal's Ctrl-C from a process: the demonstration ends it in its turn, and
// a second signal would end it by force.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
