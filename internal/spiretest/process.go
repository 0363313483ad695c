// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package spiretest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// process is one running program. On Linux it ends with this process, however that ends.
type process struct {
	proc  *os.Process
	log   string
	ended chan struct{}
	once  sync.Once
}

// start runs a program with its output in a file.
func (s *Spire) start(program string, args ...string) *process {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, program), args...) //nolint:gosec,noctx // the test's own program; it is killed by its pid
	cmd.Dir = s.dir
	bindToParent(cmd)
	p := &process{log: filepath.Join(s.dir, program+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is the child's parent
		err := cmd.Start()
		p.proc = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("spiretest: %v", err)
	}
	return p
}

// kill ends the process at once, frozen or not, and waits until it is gone.
func (p *process) kill() {
	p.once.Do(func() { _ = p.proc.Kill() }) // it may have ended
	<-p.ended
}

func (p *process) freeze() error { return p.proc.Signal(syscall.SIGSTOP) }
func (p *process) thaw() error   { return p.proc.Signal(syscall.SIGCONT) }
