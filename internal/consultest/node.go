// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readyWithin is how long a node, or a cluster, may take until its answers are right.
// It takes half a second on a quiet machine.
const readyWithin = 60 * time.Second

// Node is one Consul agent, server or client. Addresses are host:port on 127.0.0.1 and
// stay the same over restarts.
type Node struct {
	Name       string
	Datacenter string
	Addr       string // its HTTP API
	DNS        string // UDP and TCP
	// Token has every right, where ACLs are on; the helpers use it. "" elsewhere.
	Token string

	t       testing.TB
	program string
	args    []string
	dir     string // its working directory
	log     string // the file of its output
	ports   ports
	process *process // nil before the first start
	frozen  bool
}

// newNode describes a node that takes its ports and does not run. The arguments that
// all nodes have in common are added to args.
func newNode(t testing.TB, name string, p ports, args ...string) *Node {
	t.Helper()
	n := &Node{
		Name:    name,
		Addr:    loopback(p.http),
		DNS:     loopback(p.dns),
		t:       t,
		program: Binary(t),
		dir:     t.TempDir(),
		log:     filepath.Join(t.ArtifactDir(), "consul-"+name+".log"),
		ports:   p,
	}
	n.args = append([]string{
		"agent", "-node", name, "-bind", "127.0.0.1", "-client", "127.0.0.1", "-log-level", "info",
		"-http-port", text(p.http), "-dns-port", text(p.dns), "-grpc-tls-port", "-1",
		"-serf-lan-port", text(p.lan), "-server-port", text(p.server),
		"-hcl", "disable_update_check = true",
	}, args...)
	t.Cleanup(n.end)
	return n
}

func text(port int) string { return fmt.Sprint(port) }

// URL is the address of the HTTP API with its scheme.
func (n *Node) URL() string { return "http://" + n.Addr }

// Alive reports whether the process runs. A frozen one does.
func (n *Node) Alive() bool { return n.process != nil && n.process.alive() }

// start runs the process, which is not ready then.
func (n *Node) start() {
	n.t.Helper()
	if n.Alive() {
		n.t.Fatalf("consultest: %s runs already", n.Name)
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatalf("consultest: log of %s: %v", n.Name, err)
	}
	n.process, err = startProcess(n.program, n.args, n.dir, log)
	_ = log.Close() // the child has its own
	if err != nil {
		n.t.Fatalf("consultest: %s: %v", n.Name, err)
	}
	n.frozen = false
}

// Kill ends the process at once, as a power cut would. Killing a dead one is nothing.
func (n *Node) Kill() {
	if n.Alive() {
		n.process.kill()
	}
}

// Terminate asks the process to end and waits until it has. A node of a cluster says
// goodbye to the others when it is a client, and does not when it is a server.
func (n *Node) Terminate() {
	n.t.Helper()
	if !n.Alive() {
		return
	}
	n.must(n.process.terminate(), "terminate")
	select {
	case <-n.process.ended:
	case <-time.After(readyWithin):
		n.t.Fatalf("consultest: %s did not end within %v of SIGTERM", n.Name, readyWithin)
	}
}

// Stop freezes the process (SIGSTOP) and returns when it stands still: its connections stay
// open and nothing answers.
func (n *Node) Stop() {
	n.t.Helper()
	n.must(n.process.freeze(), "stop")
	n.frozen = true
	n.await("to stand still", n.process.still) // the kernel stops thread by thread
}

// Cont lets a frozen process go on (SIGCONT). It does not wait until it is ready.
func (n *Node) Cont() {
	n.t.Helper()
	n.must(n.process.thaw(), "continue")
	n.frozen = false
}

func (n *Node) must(err error, what string) {
	n.t.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		n.t.Skip("this test freezes processes, which this system cannot do")
	}
	if err != nil {
		n.t.Fatalf("consultest: %s %s: %v", what, n.Name, err)
	}
}

// Start runs a node that was killed or terminated again, on its ports and with the data
// that it has on disk, and returns at once.
func (n *Node) Start() {
	n.t.Helper()
	n.start()
}

// Restart is Kill where needed, Start and Ready.
func (n *Node) Restart() {
	n.t.Helper()
	n.Kill()
	n.start()
	n.Ready()
}

// Log is what the process has written so far, in all its lives.
func (n *Node) Log() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// end kills the process, and shows the end of its log if the test has failed.
func (n *Node) end() {
	n.Kill()
	if n.t.Failed() && n.process != nil {
		const keep = 60
		lines := strings.Split(strings.TrimRight(n.Log(), "\n"), "\n")
		if len(lines) > keep {
			lines = lines[len(lines)-keep:]
		}
		n.t.Logf("the end of the log of %s:\n%s", n.Name, strings.Join(lines, "\n"))
	}
}
