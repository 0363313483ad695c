// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiretest

import (
	"os/exec"
	"syscall"
)

// bindToParent has the kernel kill the child when the thread that starts it ends.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
