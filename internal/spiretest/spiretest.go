// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package spiretest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Env is the variable that names the directory of the programs.
const Env = "ENMESH_SPIRE"

// TrustDomain is the server's.
const TrustDomain = "example.org"

// readyWithin is how long a program may take until it answers.
const readyWithin = 60 * time.Second

// Spire is a server with an agent.
type Spire struct {
	Address string // of the Workload API: "unix:///..."

	t      testing.TB
	bin    string
	dir    string
	port   string
	server *process
	agent  *process
}

// Start runs a server and an agent that has joined it, and returns when both answer. There
// are no entries: the agent has no identity for anybody.
func Start(t testing.TB) *Spire {
	t.Helper()
	s := &Spire{t: t, bin: programs(t)}
	dir, err := os.MkdirTemp("", "spire") // short, as the path of a socket must be
	if err != nil {
		t.Fatal(err)
	}
	s.dir, s.Address = dir, "unix://"+filepath.Join(dir, "agent.sock")
	t.Cleanup(s.end)
	s.port = freePort(t)
	s.write("server.conf", serverConf)
	s.write("agent.conf", agentConf)
	s.server = s.start("spire-server", "run", "-config", "server.conf")
	s.await("the server", func() error {
		_, err := s.run("spire-server", "healthcheck", "-socketPath", "server.sock")
		return err
	})
	s.startAgent()
	return s
}

// startAgent joins a fresh agent to the server, under the same name as any before it.
func (s *Spire) startAgent() {
	s.t.Helper()
	out := s.ok("spire-server", "token", "generate", "-socketPath", "server.sock", "-spiffeID", node)
	_, token, found := strings.Cut(strings.TrimSpace(out), "Token: ")
	if !found {
		s.t.Fatalf("spiretest: no token in %q", out)
	}
	token, _, _ = strings.Cut(token, "\n")
	s.agent = s.start("spire-agent", "run", "-config", "agent.conf", "-joinToken", strings.TrimSpace(token))
	s.await("the agent", func() error {
		_, err := s.run("spire-agent", "healthcheck", "-socketPath", "agent.sock")
		return err
	})
}

// node is the name of the agent.
const node = "spiffe://" + TrustDomain + "/node"

// Entry gives this process, and every other of its user, the identity
// "spiffe://example.org<path>", with certificates of the given life. It returns the entry's
// name, for DeleteEntry.
func (s *Spire) Entry(path string, ttl time.Duration) string {
	s.t.Helper()
	out := s.ok("spire-server", "entry", "create", "-socketPath", "server.sock", "-parentID", node,
		"-spiffeID", "spiffe://"+TrustDomain+path, "-selector", fmt.Sprintf("unix:uid:%d", os.Getuid()),
		"-x509SVIDTTL", fmt.Sprint(int(ttl.Seconds())))
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "Entry ID" {
			return strings.TrimSpace(value)
		}
	}
	s.t.Fatalf("spiretest: no entry in %q", out)
	return ""
}

// DeleteEntry takes an identity away.
func (s *Spire) DeleteEntry(id string) {
	s.t.Helper()
	s.ok("spire-server", "entry", "delete", "-socketPath", "server.sock", "-entryID", id)
}

// StopAgent freezes the agent (SIGSTOP): its socket is there and nobody answers.
func (s *Spire) StopAgent() { s.must(s.agent.freeze()) }

// ContAgent lets a frozen agent go on.
func (s *Spire) ContAgent() { s.must(s.agent.thaw()) }

// KillAgent ends the agent as a power cut would.
func (s *Spire) KillAgent() { s.agent.kill() }

// RestartAgent runs a fresh agent in place of one that was killed.
func (s *Spire) RestartAgent() {
	s.t.Helper()
	s.agent.kill()
	s.startAgent()
}

func (s *Spire) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("spiretest: %v", err)
	}
}

// programs is the directory of the programs. Without one the test skips, or fails where the
// variable CI is set: there they are always built.
func programs(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(Env)
	switch {
	case dir == "" && os.Getenv("CI") != "":
		t.Fatalf("spiretest: this test needs a SPIRE server and %s is not set: run it with make test", Env)
	case dir == "":
		t.Skipf("this test needs a SPIRE server: make test builds one and runs it (%s is not set)", Env)
	case !filepath.IsAbs(dir):
		t.Fatalf("spiretest: %s is %q, and must be an absolute path", Env, dir)
	}
	for _, name := range []string{"spire-server", "spire-agent"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatalf("spiretest: %s has no %s (make bin/%s builds it): %v", Env, name, name, err)
		}
	}
	return dir
}

// freePort is one that nobody has now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // there is nothing to wait for
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *Spire) write(name, text string) {
	s.t.Helper()
	text = strings.NewReplacer("@PORT@", s.port, "@DIR@", s.dir, "@TD@", TrustDomain).Replace(text)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run is one command of the programs' own, and what it printed.
func (s *Spire) run(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...) //nolint:gosec // the test's own program
	cmd.Dir = s.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

func (s *Spire) ok(program string, args ...string) string {
	s.t.Helper()
	out, err := s.run(program, args...)
	s.must(err)
	return out
}

// await polls check, every 100 ms and for a minute at most.
func (s *Spire) await(what string, check func() error) {
	s.t.Helper()
	deadline := time.Now().Add(readyWithin)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("spiretest: waited for %s: %v", what, err)
		}
		<-tick.C
	}
}

// end ends both programs, and shows their logs if the test has failed.
func (s *Spire) end() {
	for _, p := range []*process{s.agent, s.server} {
		if p == nil {
			continue
		}
		p.kill()
		if s.t.Failed() {
			text, _ := os.ReadFile(p.log)
			s.t.Logf("the end of %s:\n%s", filepath.Base(p.log), text[max(0, len(text)-4000):])
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Errorf("spiretest: %v", err)
	}
}

const serverConf = `server {
  bind_address = "127.0.0.1"
  bind_port = "@PORT@"
  socket_path = "@DIR@/server.sock"
  trust_domain = "@TD@"
  data_dir = "@DIR@/server"
  log_level = "WARN"
  ca_ttl = "24h"
  default_x509_svid_ttl = "1h"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "@DIR@/datastore.sqlite3" } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
}
`

const agentConf = `agent {
  data_dir = "@DIR@/agent"
  log_level = "WARN"
  server_address = "127.0.0.1"
  server_port = "@PORT@"
  socket_path = "@DIR@/agent.sock"
  trust_domain = "@TD@"
  insecure_bootstrap = true
  experimental { sync_interval = "1s" }
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`
