// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// The variables that make a process of the test program an instance of shop.
const (
	agentVariable = "ENMESH_TEST_AGENT" // the address of its Consul
	ttlVariable   = "ENMESH_TEST_TTL"
)

// asInstance is main of an instance: a server that mesh.Run registers in Consul.
func asInstance(agent string) error {
	ttl, err := time.ParseDuration(os.Getenv(ttlVariable))
	if err != nil {
		return err
	}
	registry, err := consul.New(consul.Config{Address: agent, Check: consul.Check{TTL: ttl}})
	if err != nil {
		return err
	}
	m, err := mesh.Open(context.Background(), mesh.WithWorkload(mesh.Workload{Service: "shop"}), mesh.WithResolver(registry))
	if err != nil {
		return err
	}
	name := strconv.Itoa(os.Getpid())
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(ledger.ServerKey, name)
		time.Sleep(5 * time.Millisecond) // some are in flight at any time
	})
	server := &http.Server{Handler: meshhttp.NewHandler(answer, m.Inbound()), ReadHeaderTimeout: 5 * time.Second}
	err = mesh.Run(context.Background(), m, mesh.Serving{Server: meshhttp.Graceful(server), Protocol: "http"}, mesh.WithRegistrar(registry))
	return errors.Join(err, m.Close(), registry.Close())
}

// process is an instance of shop in a process of its own.
type process struct {
	cmd   *exec.Cmd
	out   *strings.Builder
	ended chan error
}

func startInstance(t *testing.T, agent string, ttl time.Duration) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(program), out: new(strings.Builder), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), agentVariable+"="+agent, ttlVariable+"="+ttl.String())
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill() // it has ended, if this fails
			p.wait(t, 10*time.Second)
		}
	})
	return p
}

// wait gives how the process has ended, once it has.
func (p *process) wait(t *testing.T, most time.Duration) error {
	t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		return err
	case <-time.After(most):
		t.Fatalf("process %d has not ended in %v", p.cmd.Process.Pid, most)
		return nil
	}
}

// TestScenarioD20_processesOnConsul: of three processes that mesh.Run has registered in a real
// Consul, one is told to end under load, and one is killed. The first leaves and loses
// nothing; of the second Consul says within twice the TTL that it is gone, and nobody
// notices before, since its calls go elsewhere.
func TestScenarioD20_processesOnConsul(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{})
	const ttl = 3 * time.Second
	var shops []*process
	for range 3 {
		shops = append(shops, startInstance(t, node.Addr, ttl))
	}
	m, client := visitor(t, consul.Config{Address: node.Addr})
	left := func(n int, within time.Duration) time.Duration {
		t.Helper()
		began := time.Now()
		consultest.Await(t, within, func() error {
			if got := reaches(m); got != n {
				return fmt.Errorf("%d endpoints are known, want %d", got, n)
			}
			return nil
		})
		return time.Since(began)
	}
	left(3, 20*time.Second)
	load := ledger.Start(t.Context(), ledger.Config{Call: ledger.HTTP(client, http.MethodGet, "http://shop/"), Rate: 100})
	pause(t.Context(), time.Second)
	if err := shops[0].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	t.Logf("known to have left %v after SIGTERM", left(2, 10*time.Second))
	if err := shops[0].wait(t, 30*time.Second); err != nil {
		t.Errorf("after SIGTERM the process ended with %v, want exit 0:\n%s", err, shops[0].out)
	}
	pause(t.Context(), time.Second)
	inOrder := load.Report().Lost
	if err := shops[1].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone := left(1, 4*ttl)
	t.Logf("known to be gone %v after SIGKILL, with a TTL of %v", gone, ttl)
	if gone > 2*ttl+time.Second {
		t.Errorf("known to be gone after %v, want twice the TTL of %v", gone, ttl)
	}
	pause(t.Context(), time.Second)
	load.Stop()
	r := load.Wait()
	t.Log(r)
	if inOrder != 0 || r.Lost > r.Sent/1000 {
		t.Errorf("%d of %d calls lost, %d of them before the kill; want 0.1 %% and none", r.Lost, r.Sent, inOrder)
	}
	if err := shops[2].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := shops[2].wait(t, 30*time.Second); err != nil {
		t.Errorf("the last process ended with %v:\n%s", err, shops[2].out)
	}
	if n := len(node.Instances("shop")); n > 1 { // the killed one is critical, and forgotten in ten minutes
		t.Errorf("%d instances are registered at the end, want that of the killed one", n)
	}
}
