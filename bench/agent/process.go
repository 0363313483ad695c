// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// jobVariable holds, for a child process, its job in JSON.
const jobVariable = "ENMESH_BENCH_AGENT"

// job is what a child process is started for.
type job struct {
	Row    row
	Socket string // for the clients: where the agent is; "" for the agent
}

func jobOf(text string) (*job, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return nil, fmt.Errorf("agent: job: %w", err)
	}
	return &j, nil
}

// child is another process of this program.
func child(ctx context.Context, j job) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	if j.Socket == "" && os.Getenv("GOGC") == "" {
		cmd.Env = append(cmd.Env, "GOGC=30") // as "enmesh agent" has it
	}
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// run measures a row in processes of its own.
func run(ctx context.Context, r row) (found result, err error) {
	cmd, err := child(ctx, job{Row: r})
	if err != nil {
		return found, err
	}
	out, err := cmd.Output()
	if err != nil {
		return found, err
	}
	err = json.Unmarshal(out, &found)
	return found, err
}

// usage is the processor time that this process has had, in user and kernel.
func usage() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// memory is a line of this process's status, in bytes: "VmRSS", what is resident, or
// "VmHWM", the most that ever was. 0 where that is not to be had.
func memory(line string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for l := range bytes.Lines(text) {
		if rest, ok := strings.CutPrefix(string(l), line+":"); ok {
			kilo, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kilo << 10
		}
	}
	return 0
}
