// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	statuspb "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/keeper"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
)

// processVariable makes a process of the test program an agent: its value is a processConfig.
const processVariable = "ENMESH_TEST_AGENT"

type processConfig struct {
	Consul    string
	Socket    string
	Admin     string
	Snapshots string
	Policies  []string
	Guard     discovery.Guard
	Drain     time.Duration
	Inherits  bool // Socket is the process's third file, and stays open
	Kept      bool // a keeper is asked for Socket
	Keeps     bool // it is no agent but the keeper of Socket
}

// asAgent is main of an agent.
func asAgent(text string) error {
	var cfg processConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	if cfg.Keeps {
		return asKeeper(cfg)
	}
	registry, err := consul.New(consul.Config{Address: cfg.Consul, Unhealthy: true})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var inherited []net.Listener
	if cfg.Inherits {
		l, err := net.FileListener(os.NewFile(3, cfg.Socket))
		if err != nil {
			return err
		}
		inherited = append(inherited, l)
	}
	a, err := agent.Open(ctx, agent.Config{
		Inherited: inherited, Keeper: cfg.Kept,
		Resolver: registry, Policies: cfg.Policies, Socket: cfg.Socket, Admin: cfg.Admin, SnapshotDir: cfg.Snapshots, Guard: cfg.Guard, Drain: cfg.Drain,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return errors.Join(err, registry.Close())
	}
	return errors.Join(a.Run(ctx), a.Close(), registry.Close())
}

// asKeeper is main of a keeper.
func asKeeper(cfg processConfig) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	k, err := keeper.Open(keeper.Config{Socket: cfg.Socket, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	return errors.Join(k.Run(ctx), k.Close())
}

// process is an agent in a process of its own, which can be started again.
type process struct {
	t     testing.TB
	cfg   processConfig
	kept  *os.File // the socket, if it outlives the agent
	cmd   *exec.Cmd
	out   *strings.Builder
	ended chan error
}

// newProcess starts an agent over a Consul.
func newProcess(t testing.TB, consulAddr string, policies ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, cfg: processConfig{
		Consul: consulAddr, Socket: filepath.Join(dir, "xds.sock"), Snapshots: filepath.Join(dir, "snapshots"), Policies: policies,
	}}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		if t.Failed() && p.out != nil {
			t.Logf("the last agent said:\n%s", p.out)
		}
	})
	return p
}

// keep opens the socket as a service manager does, and keeps it until the test has ended.
func (p *process) keep() {
	p.t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.cfg.Socket, Net: "unix"})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chmod(p.cfg.Socket, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if p.kept, err = l.File(); err != nil {
		p.t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close() // p.kept is it
	p.cfg.Inherits = true
	p.t.Cleanup(func() { _ = p.kept.Close() })
}

// keeperOf starts a keeper of the process's socket, which ends with the test.
func (p *process) keeperOf() *process {
	p.t.Helper()
	k := &process{t: p.t, cfg: processConfig{Socket: p.cfg.Socket, Keeps: true}}
	p.cfg.Kept = true
	k.start()
	k.listening()
	p.t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		k.end()
		if p.t.Failed() {
			p.t.Logf("the keeper said:\n%s", k.out)
		}
	})
	return k
}

func (p *process) start() {
	p.t.Helper()
	program, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	config, err := json.Marshal(p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd, p.out, p.ended = exec.Command(program), new(strings.Builder), make(chan error, 1)
	p.cmd.Env = append(os.Environ(), processVariable+"="+string(config))
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if p.kept != nil {
		p.cmd.ExtraFiles = []*os.File{p.kept}
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd, ended := p.cmd, p.ended
	go func() { ended <- cmd.Wait() }()
}

// listening waits until clients can connect.
func (p *process) listening() {
	p.t.Helper()
	eventually(p.t, "the agent listens", func() bool { _, err := os.Stat(p.cfg.Socket); return err == nil })
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may be stopped, or gone
	_ = p.cmd.Process.Kill()
	p.wait()
	p.cmd = nil
	if p.kept == nil && !p.cfg.Kept {
		_ = os.Remove(p.cfg.Socket) // for listening; an agent replaces it too
	}
}

// end is SIGTERM.
func (p *process) end() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if err := p.wait(); err != nil {
		p.t.Errorf("the agent ended with %v, want exit 0", err)
	}
	p.cmd = nil
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) wait() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(hang):
		p.t.Fatalf("the agent has not ended in %v", hang)
		return nil
	}
}

// bootstrap is that of its clients.
func (p *process) bootstrap() []byte { return bootstrap("unix://"+p.cfg.Socket, "") }

// clients are those that it serves, as it tells the client status service.
func (p *process) clients() []*statuspb.ClientConfig {
	p.t.Helper()
	cc, err := grpc.NewClient("unix://"+p.cfg.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer cc.Close()
	m, err := statuspb.NewClientStatusDiscoveryServiceClient(cc).FetchClientStatus(p.t.Context(), &statuspb.ClientStatusRequest{})
	if err != nil {
		p.t.Fatal(err)
	}
	return m.GetConfig()
}
