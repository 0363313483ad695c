// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// patience is how long a process may take to end. It is more than mesh.Run ever takes.
const patience = 40 * time.Second

// process is a program that the demonstration has started.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *journal
	ended chan struct{} // closed when it has ended; err is its error
	err   error
}

// start runs a program. What it logs is kept, and written to a second place if that is not
// nil.
func start(name string, also io.Writer, env []string, program string, args ...string) (*process, error) {
	cmd := exec.CommandContext(context.Background(), program, args...) //nolint:gosec // the user names it; end ends it, no context
	p := &process{name: name, cmd: cmd, log: &journal{also: also}, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = apart()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// alive is an error once the process has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended (%w); it logged:\n%s", p.name, reason(p.err), p.log.tail())
	default:
		return nil
	}
}

// end tells the process to end, and waits until it has. It is an error if it does not end,
// or says that not all was in order.
func (p *process) end() error {
	if err := p.stop(); err != nil {
		return err
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w; it logged:\n%s", p.name, p.err, p.log.tail())
	}
	return nil
}

// stop is end for a program that always says that it was interrupted, as Consul does.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill() // it has ended by itself, if this fails
		<-p.ended
		return fmt.Errorf("%s did not end in %v; it logged:\n%s", p.name, patience, p.log.tail())
	}
	return nil
}

// reason is err, or what to say in place of nil.
func reason(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// journal keeps the end of what a process logs.
type journal struct {
	mu   sync.Mutex
	kept []byte
	also io.Writer
}

const journalSize = 16 << 10

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept = append(j.kept, b...)
	if over := len(j.kept) - journalSize; over > 0 {
		j.kept = bytes.Clone(j.kept[over:])
	}
	if j.also != nil {
		return j.also.Write(b)
	}
	return len(b), nil
}

func (j *journal) tail() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.kept)
}
