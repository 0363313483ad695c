// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// process is one running Consul. It is a child that ends with this process, however
// that ends (where the kernel can do so: on Linux).
type process struct {
	proc  *os.Process
	ended chan struct{} // closed when it has been waited for
}

// startProcess runs the program with its output in the file log. One goroutine, on a
// thread of its own, starts it and stays until it ends: on Linux the kernel ends the child
// with the thread that made it.
func startProcess(program string, args []string, dir string, log *os.File) (*process, error) {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // the test's own program; it is killed by its pid
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "GOMAXPROCS=2"}
	cmd.Stdout, cmd.Stderr = log, log
	bindToParent(cmd)
	p := &process{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is the child's parent
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("consultest: %w", err)
			return
		}
		p.proc = cmd.Process
		started <- nil
		_ = cmd.Wait() // how it ended is in its log
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	_ = p.proc.Kill() // it may have ended
	<-p.ended
}
