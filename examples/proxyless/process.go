// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// patience is how long a process may take for anything.
const patience = time.Minute

// process is a program that runs.
type process struct {
	name  string
	cmd   *exec.Cmd
	ended chan error

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

// start runs a program until end. What it writes is kept.
func start(env []string, program string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(program), ended: make(chan error, 1)}
	p.cmd = exec.CommandContext(context.Background(), program, args...) //nolint:gosec // it is one of ours; end ends it, no context
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

// Write takes what the process writes.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// line is the first line with a text in it; "": there is none yet.
func (p *process) line(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// says waits until the process has written a line with a text.
func (p *process) says(ctx context.Context, text string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if p.line(text) != "" {
			return nil
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s has ended (%w):\n%s", p.name, err, p.log.String())
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return fmt.Errorf("%s does not say %q", p.name, text)
}

// end interrupts the process and waits for it.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		_ = p.cmd.Process.Kill() // it has ended, or no signals are known here
	}
	defer time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() }).Stop()
	if err := <-p.ended; err != nil {
		return fmt.Errorf("%s has ended with %w:\n%s", p.name, err, p.log.String())
	}
	return nil
}

// output runs a program to its end, and is what it prints.
func output(ctx context.Context, program string, args ...string) (string, error) {
	return outputWith(ctx, nil, program, args...)
}

func outputWith(ctx context.Context, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // it is one of ours, or what the user names
	cmd.Env = append(os.Environ(), env...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd, err, complaints.Bytes())
	}
	return string(out), nil
}
