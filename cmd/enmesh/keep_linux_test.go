// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The programs as they are given out: a keeper tells a client that there is no agent, and an
// agent that is started then serves it, takes nothing with it when it is killed, and has a
// successor.
func TestBinary_keeper(t *testing.T) {
	dir := folder(t)
	bin, addr := build(t, dir), backend(t)
	socket, file := filepath.Join(dir, "xds.sock"), filepath.Join(dir, "web.json")
	output(t, bin, "agent", "bootstrap", "-server", "unix://"+socket, "-node", "web-1", "-o", file)
	keeper := spawn(t, bin, "agent", "keep", "-log", "json", "-socket", socket, "-patience", "50ms")
	keeper.wait(t, "keeper: there is no agent, and clients are told so")
	policies := write(t, filepath.Join(dir, "p.yaml"), plaintext)
	for range 2 {
		early := newDialer(t, file, "xds:///reviews")
		if got := early.ask(t, "once"); !strings.Contains(got, "no agent serves at "+socket) {
			t.Errorf("without an agent: got %q", got)
		}
		agent := spawn(t, bin, "agent", "-log", "json", "-admin", "", "-endpoints", services(t, dir, addr), "-policies", policies, "-socket", socket)
		agent.wait(t, "enmesh: the agent answers")
		keeper.wait(t, "keeper: an agent serves")
		for _, dialer := range []*dialer{early, newDialer(t, file, "xds:///reviews")} {
			if got := dialer.call(t); got != "ok "+addr+" insecure" {
				t.Errorf("with an agent: got %q, want an answer of %s", got, addr)
			}
		}
		_ = agent.cmd.Process.Kill()
		_ = agent.cmd.Wait() // it was killed
		keeper.wait(t, "keeper: the agent has gone")
		keeper.forget()
		keeper.wait(t, "keeper: there is no agent, and clients are told so")
	}
	if err := keeper.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := keeper.cmd.Wait(); err != nil {
		t.Errorf("got the exit %v, want 0\n%s", err, keeper)
	}
}

func TestKeep_refuses(t *testing.T) {
	t.Setenv("LISTEN_PID", "")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-socket-mode", "9"}, exitUsage, "it is no mode"},
		{[]string{"-log", "x"}, exitUsage, "neither text nor json"},
		{[]string{"-socket", ""}, exitNo, "Socket is empty"},
		{[]string{"-socket", "/nowhere/at/all.sock"}, exitNo, "no such file"},
		{[]string{"-patience", "-1s"}, exitNo, "must not be negative"},
	} {
		if code, _, messages := enmesh(t, append([]string{"agent", "keep"}, tt.args...)...); code != tt.code || !strings.Contains(messages, tt.want) {
			t.Errorf("%q: got %d and %q, want %d and %q", tt.args, code, messages, tt.code, tt.want)
		}
	}
}
