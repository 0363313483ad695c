// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Process is a running program. It is a child that ends with the test, and on Linux with
// the test's process too, however that ends.
type Process struct {
	Dir string // its own, empty at first

	t     testing.TB
	name  string
	proc  *os.Process
	ended chan struct{} // closed when it has been waited for
}

// Run starts a program in a directory of its own, with env beside PATH and HOME. name is for
// messages.
func Run(t testing.TB, name, dir, program string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{Dir: dir, t: t, name: name, ended: make(chan struct{})}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // the test's own program; it is killed by its pid
	cmd.Dir = dir
	cmd.Env = append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	bindToParent(cmd)
	if err := p.start(cmd, log); err != nil {
		t.Fatalf("redistest: start %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said at its end:\n%s", name, p.tail())
		}
	})
	return p
}

// start runs the command from a goroutine on a thread of its own that stays until the
// child ends: on Linux the kernel ends a child with the thread that made it.
func (p *Process) start(cmd *exec.Cmd, log *os.File) error {
	started := make(chan error)
	go func() {
		defer func() { _ = log.Close() }() // the child has its own descriptor
		runtime.LockOSThread()             // and never unlocked: the thread is the child's parent
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.proc = cmd.Process
		started <- nil
		_ = cmd.Wait() // how it ended is in its log
		close(p.ended)
	}()
	return <-started
}

// Kill ends the process as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.proc.Kill() // it may have ended
	<-p.ended
}

// Freeze stops the process where it stands: its connections stay open and silent.
func (p *Process) Freeze() { p.signal("freeze", freeze) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() { p.signal("thaw", thaw) }

func (p *Process) signal(what string, f func(*os.Process) error) {
	p.t.Helper()
	if err := f(p.proc); err != nil {
		p.t.Fatalf("redistest: %s %s: %v", what, p.name, err)
	}
}

// tail is the end of the log.
func (p *Process) tail() string {
	text, err := os.ReadFile(filepath.Join(p.Dir, "log"))
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text[max(0, len(text)-2000):])
}
