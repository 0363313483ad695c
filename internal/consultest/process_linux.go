// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// bindToParent has the kernel kill the child when the thread that starts it ends.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// still is an error as long as a thread of a frozen process may run. The state is the
// first field after the name, which stands in brackets, of proc(5)'s stat.
func (p *process) still() error {
	tasks := "/proc/" + strconv.Itoa(p.proc.Pid) + "/task/"
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return err
	}
	for _, e := range entries {
		stat, err := os.ReadFile(tasks + e.Name() + "/stat")
		if err != nil {
			return err
		}
		_, state, _ := strings.Cut(string(stat), ") ")
		if !strings.HasPrefix(state, "T") {
			return fmt.Errorf("thread %s is in state %.1s", e.Name(), state)
		}
	}
	return nil
}
