// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// undone is policy of which gRPC's clients do only a part.
const undone = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - redirect: {uri: /new}
    match: [{uri: {prefix: /old.}}]
  - directResponse: {status: 404}
    match: [{uri: {prefix: /gone.}}]
  - mirror: {host: reviews}
    rewrite: {uri: /}
    retries: {attempts: 1, perTryTimeout: 1s}
    route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  trafficPolicy:
    retryBudget: {percent: 20}
    tls: {mode: DISABLE}
`

// The program as it is given out, by processes of their own: it starts, writes the bootstrap
// file, serves an unmodified client of gRPC through a unix socket with certificates of its own
// authority, says so, and ends in order.
func TestBinary(t *testing.T) {
	dir := folder(t)
	bin := build(t, dir)
	addr := backend(t)
	socket, certs := filepath.Join(dir, "xds.sock"), filepath.Join(dir, "certs")
	serving := spawn(t, bin, "agent", "-log", "json", "-admin", "127.0.0.1:0", "-endpoints", services(t, dir, addr),
		"-policies", write(t, filepath.Join(dir, "p.yaml"), undone), "-socket", socket, "-snapshots", filepath.Join(dir, "kept"),
		"-ca", "own:"+filepath.Join(dir, "ca"), "-issue", certs+"=spiffe://cluster.local/ns/default/sa/web")
	admin, _ := serving.wait(t, "enmesh: the agent listens")["admin"].(string)
	serving.wait(t, "enmesh: the agent answers")

	file := filepath.Join(dir, "web.json")
	output(t, bin, "agent", "bootstrap", "-server", "unix://"+socket, "-service-account", "web", "-label", "app=web", "-region", "eu",
		"-certificates", certs, "-node", "web-1", "-o", file)
	dialer := newDialer(t, file, "xds:///reviews")
	for range 3 {
		if got := dialer.call(t); got != "ok "+addr+" insecure" {
			t.Errorf("got %q, want an answer of %s", got, addr)
		}
	}
	out := output(t, bin, "agent", "status", "-admin", admin, "-all")
	state, said, _ := strings.Cut(out, "\nWHAT grpc-go DOES NOT DO AS WRITTEN\n")
	if !strings.Contains(state, "web-1   grpc-go") || !strings.Contains(state, "accepted") ||
		strings.Contains(state, "rejected") || !strings.Contains(state, certs+"  spiffe://cluster.local/ns/default/sa/web") {
		t.Errorf("got the status\n%s\nwant a client of grpc-go that accepts all, and a certificate", out)
	}
	for line, want := range map[string]string{
		"p.yaml:7:":  "rejected: gRPC's clients know no such answer",
		"p.yaml:9:":  "rejected: gRPC's clients know no such answer",
		"p.yaml:11:": "ignored: gRPC's clients make no copies",
		"p.yaml:12:": "ignored: gRPC's clients rewrite nothing",
		"p.yaml:13:": "ignored: gRPC has no timeout of attempts",
		"p.yaml:22:": "ignored: gRPC's clients over xDS have no retry budget",
	} {
		if _, after, ok := strings.Cut(said, line); !ok || !strings.Contains(strings.SplitN(after, "\n", 2)[0], want) {
			t.Errorf("no %q of %s in\n%s", want, line, out)
		}
	}
	if err := serving.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serving.cmd.Wait(); err != nil {
		t.Errorf("got the exit %v, want 0\n%s", err, serving)
	}
	serving.wait(t, "enmesh: the agent has ended")
	if got := dialer.call(t); got != "ok "+addr+" insecure" {
		t.Errorf("without the agent: got %q, want an answer of %s", got, addr)
	}
}

// The program with a service manager's sockets: it serves in them, and leaves them open at its
// end to its successor.
func TestBinary_socketsThatOutliveIt(t *testing.T) {
	dir := folder(t)
	bin, addr := build(t, dir), backend(t)
	socket := filepath.Join(dir, "xds.sock")
	file := filepath.Join(dir, "web.json")
	output(t, bin, "agent", "bootstrap", "-server", "unix://"+socket, "-node", "web-1", "-o", file)
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	admin, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	handed := make([]*os.File, 2)
	if handed[0], err = unix.File(); err == nil {
		defer handed[0].Close()
		handed[1], err = admin.File()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer handed[1].Close()
	args := []string{
		"agent", "-log", "json", "-admin", admin.Addr().String(), "-endpoints", services(t, dir, addr),
		"-policies", write(t, filepath.Join(dir, "p.yaml"), plaintext), "-socket", socket,
	}
	for range 2 {
		serving := activate(t, handed, bin, args...)
		serving.wait(t, "enmesh: the agent answers")
		dialer := newDialer(t, file, "xds:///reviews")
		if got := dialer.call(t); got != "ok "+addr+" insecure" {
			t.Errorf("got %q, want an answer of %s", got, addr)
		}
		if out := output(t, bin, "agent", "status", "-admin", admin.Addr().String()); !strings.Contains(out, "web-1") {
			t.Errorf("got the status\n%s\nwant the client in it", out)
		}
		if err := serving.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := serving.cmd.Wait(); err != nil {
			t.Errorf("got the exit %v, want 0\n%s", err, serving)
		}
	}
	wrong := activate(t, handed, bin, append(args, "-socket", filepath.Join(dir, "other.sock"))...)
	if err := wrong.cmd.Wait(); err == nil || !strings.Contains(wrong.String(), "is the socket "+socket+", which is none that the agent is to listen at") {
		t.Errorf("with another -socket: got %v and\n%s\nwant what is wrong", err, wrong)
	}
}

// build makes the program as it is given out: static, without cgo.
func build(t *testing.T, dir string) string {
	t.Helper()
	bin := filepath.Join(dir, "enmesh")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// output is what a command prints that ends well.
func output(t *testing.T, bin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		t.Fatalf("enmesh %q: %v\n%s%s", args, err, &out, &messages)
	}
	return out.String()
}

// spawned is a process with its log.
type spawned struct {
	*journal
	cmd *exec.Cmd
}

// spawn starts one, which is killed with the test at the latest.
func spawn(t *testing.T, bin string, args ...string) *spawned {
	t.Helper()
	return spawnCommand(t, exec.CommandContext(t.Context(), bin, args...))
}

// activate starts one as systemd does that hands it sockets.
func activate(t *testing.T, sockets []*os.File, bin string, args ...string) *spawned {
	t.Helper()
	const script = `LISTEN_PID=$$ exec "$0" "$@"` // the shell's process becomes bin's
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, bin}, args...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(sockets)))
	cmd.ExtraFiles = sockets
	return spawnCommand(t, cmd)
}

func spawnCommand(t *testing.T, cmd *exec.Cmd) *spawned {
	t.Helper()
	s := &spawned{journal: newJournal(), cmd: cmd}
	s.cmd.Stderr = s.journal
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	return s
}
